# Prints how the API server and the etcd member on this host are: one line for each question, its name and the answer as
# base64. An answer that does not come is empty.
# Variables: API_PORT (of the API server).
# Leaves nothing behind. Safe to run twice.

# ask NAME CURL_ARGUMENT…: the line for one question. 2 s, because a component that is healthy answers in milliseconds.
ask() {
  local name=$1 answer
  shift
  answer=$(curl --silent --max-time 2 "$@" | head -c 32768 | base64 --wrap=0) || true
  printf '%s %s\n' "$name" "$answer"
}

pki=/etc/kubernetes/pki
etcd=(--cacert "$pki/etcd/ca.crt" --cert "$pki/etcd/healthcheck-client.crt" --key "$pki/etcd/healthcheck-client.key")
# The certificate of an API server names this, whatever else it names. The client is one of kubeadm's administrators, so
# that it makes no difference whether others are let in.
server=kubernetes.default:$API_PORT
api=(--cacert "$pki/ca.crt" --cert "$pki/apiserver-kubelet-client.crt" --key "$pki/apiserver-kubelet-client.key"
  --resolve "$server:127.0.0.1")
ask etcd_health "${etcd[@]}" https://localhost:2379/health
ask etcd_status "${etcd[@]}" --data '{}' https://localhost:2379/v3/maintenance/status
ask api_ready "${api[@]}" "https://$server/readyz"
ask api_version "${api[@]}" "https://$server/version"
