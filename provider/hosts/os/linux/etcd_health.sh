# Asks the member of etcd on this host whether it is well: it runs, and a majority of all members is with it.
# Variables: none.
# Leaves nothing behind. Safe to run twice. It fails when the member is not well.

pki=/etc/kubernetes/pki/etcd
if ! health=$(curl --silent --max-time 3 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
  --key "$pki/healthcheck-client.key" https://127.0.0.1:2379/health) || [[ $health != *'"health":"true"'* ]]; then
  printf 'etcd on this host is not well: %s\n' "${health:-no answer}" >&2
  exit 1
fi
