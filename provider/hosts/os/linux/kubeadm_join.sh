# Makes this host a node of a cluster.
# Variables: CONFIG (kubeadm's configuration; it holds a token, so it lives in memory and only while kubeadm runs).
# Leaves behind: what `kubeadm join` does. Not to be repeated on a host where it failed; that host is reset first.

config=$(mktemp --tmpdir=/run/kubeone)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
kubeadm join --config "$config"
