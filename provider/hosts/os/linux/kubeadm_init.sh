# Makes this host the first control plane of a new cluster. It runs on a host without Kubernetes only: where an earlier
# run failed, the host is reset before the next one.
# Functions: in_memory.
# Variables: CONFIG (kubeadm's configuration), IGNORED (kubeadm's names of what may be there all the same; may be empty).
# Leaves behind: what `kubeadm init` does. Safe to run twice: kubeadm refuses a host that is a node.

config=$(file_in_memory)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
options=()
if [[ -n $IGNORED ]]; then options+=(--ignore-preflight-errors "$IGNORED"); fi
kubeadm init --config "$config" --skip-token-print "${options[@]}"
