# Makes this host a node of a cluster. It runs on a host without Kubernetes only: where a join failed, the host is reset
# before the next one.
# Variables: CONFIG (kubeadm's configuration; it holds a token, so it lives in memory and only while kubeadm runs),
#   API_PORT (of the API server that starts on this host; empty on a worker).
# Leaves behind: what `kubeadm join` does. Safe to run twice: kubeadm refuses a host that is a node.

# The kubelet of a new control plane asks for its certificate at an API server that it starts itself, and waits twice as
# long after each attempt. Started again when that API server is ready, it asks at once.
start_kubelet_anew() {
  until curl --silent --fail --max-time 1 --cacert /etc/kubernetes/pki/ca.crt --resolve "kubernetes:$API_PORT:127.0.0.1" \
    --output /dev/null "https://kubernetes:$API_PORT/readyz"; do
    sleep 0.2
  done
  if [[ ! -e /etc/kubernetes/kubelet.conf ]]; then
    systemctl restart kubelet
  fi
}

config=$(mktemp --tmpdir=/run/kubeone)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
if [[ -n $API_PORT ]]; then
  start_kubelet_anew &
fi
kubeadm join --config "$config"
