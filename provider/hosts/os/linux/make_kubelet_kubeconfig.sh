# Makes a certificate for a kubelet with the CA on this control plane. It needs no Kubernetes API.
# Functions: in_memory.
# Variables: NODE (its name), CONFIG (kubeadm's configuration).
# Prints a kubeconfig, which holds the key. Leaves nothing behind. Safe to run twice.

config=$(file_in_memory)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
kubeadm kubeconfig user --client-name "system:node:$NODE" --org system:nodes --config "$config" 2>/dev/null
