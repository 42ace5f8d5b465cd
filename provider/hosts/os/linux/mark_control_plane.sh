# Waits until this host's Node is there, and gives it kubeadm's labels and taints.
# Functions: in_memory.
# Variables: NODE (its name), CONFIG (kubeadm's configuration).
# Leaves behind: the Node as `kubeadm init` or `join` makes it. Safe to run twice.

deadline=$((SECONDS + 120))
until message=$(kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout 5s get node "$NODE" 2>&1); do
  if ((SECONDS >= deadline)); then
    printf 'the Node was not there within 120 s: %s\n' "$message" >&2
    exit 1
  fi
  sleep 0.2
done
config=$(file_in_memory)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
kubeadm init phase mark-control-plane --config "$config"
