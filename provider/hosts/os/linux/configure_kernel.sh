# Loads the kernel modules and settings that pod networks need, and turns swap off.
# Reads /etc/modules-load.d/kubeone.conf and /etc/sysctl.d/99-kubeone.conf, which keep both over a reboot.
# Functions: durable.
# Variables: none.
# Leaves behind: the swap lines of /etc/fstab commented out with `#kubeone#`. Safe to run twice.

while read -r module; do
  modprobe -- "$module"
done </etc/modules-load.d/kubeone.conf
sysctl --quiet --load=/etc/sysctl.d/99-kubeone.conf

swap_line='^[^#[:space:]][^[:space:]]*[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]'
if [[ -f /etc/fstab ]] && grep --quiet --extended-regexp "$swap_line" /etc/fstab; then
  edit /etc/fstab --regexp-extended "/$swap_line/s/^/#kubeone# /"
fi
mapfile -t swaps </proc/swaps
if ((${#swaps[@]} > 1)); then
  swapoff --all
fi
