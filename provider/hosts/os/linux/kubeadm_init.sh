# Makes this host the first control plane of a new cluster. It runs on a host without Kubernetes only: where an earlier
# run failed, the host is reset before the next one.
# Variables: CONFIG (kubeadm's configuration).
# Leaves behind: what `kubeadm init` does. Safe to run twice: kubeadm refuses a host that is a node.

config=$(mktemp)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
kubeadm init --config "$config" --skip-token-print
