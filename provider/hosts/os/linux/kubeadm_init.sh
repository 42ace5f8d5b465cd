# Makes this host the first control plane of a new cluster.
# Variables: CONFIG (kubeadm's configuration).
# Leaves behind: what `kubeadm init` does. Not to be repeated on a host where it failed; that host is reset first.

config=$(mktemp)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
kubeadm init --config "$config" --skip-token-print
