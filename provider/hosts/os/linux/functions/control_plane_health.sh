# Functions that ask etcd and the API server on this host whether they are well.
# Variables: API_PORT (of the API server).
# Leaves nothing behind. Safe to run twice.

etcd_is_well() {
  local pki=/etc/kubernetes/pki
  curl --silent --max-time 3 --cacert "$pki/etcd/ca.crt" --cert "$pki/etcd/healthcheck-client.crt" \
    --key "$pki/etcd/healthcheck-client.key" https://127.0.0.1:2379/health | grep --quiet '"health":"true"'
}

api_server_is_ready() {
  curl --silent --fail --max-time 3 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
    --resolve "kubernetes:$API_PORT:127.0.0.1" "https://kubernetes:$API_PORT/readyz"
}
