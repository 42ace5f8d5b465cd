# Makes again what `kubeadm init` made in the cluster, phase by phase, on a control plane of it.
# Functions: in_memory.
# Variables: CONFIG (kubeadm's configuration), PHASES (lines of what follows `kubeadm init phase`).
# Leaves behind: the objects of these phases in the cluster. Safe to run twice: each phase writes what there should be.

config=$(file_in_memory)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
while read -r -a phase; do
  kubeadm init phase "${phase[@]}" --config "$config"
done <<<"$PHASES"
