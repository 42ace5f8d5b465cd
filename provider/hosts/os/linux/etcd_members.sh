# Prints the member list of etcd as etcd's JSON gateway gives it, from the member on this host.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

pki=/etc/kubernetes/pki/etcd
curl --silent --show-error --fail --max-time 10 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
  --key "$pki/healthcheck-client.key" --data '{"linearizable":true}' https://localhost:2379/v3/cluster/member/list
