# Removes packages that were installed for the cluster, and what only they needed. What could have been removed before
# is not ours, and stays. Puts back what install_packages.sh set aside.
# Variables: PACKAGES (names, one per line; may be empty), LOCK_SECONDS (how long to wait while another program uses apt).
# Functions: apt.
# Leaves behind: the other packages, no longer on hold. Safe to run twice, and on a host without these packages.

# simulated ARGUMENT...: packages that apt-get would remove.
simulated() {
  apt-get --simulate "$@" | sed -n -E 's/^(Remv|Purg) ([^ ]*).*/\2/p' | sort
}

for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  if [[ -e $file ]] && grep --quiet '^#kubeone# ' "$file"; then sed --in-place 's/^#kubeone# //' "$file"; fi
done
for file in /etc/apt/sources.list.d/*.kubeone-aside; do
  if [[ -e $file ]]; then mv "$file" "${file%.kubeone-aside}"; fi
done

finish_interrupted_dpkg
installed=()
while read -r package; do
  if [[ $package && -n $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) ]]; then
    installed+=("$package")
  fi
done <<<"$PACKAGES"

if ((${#installed[@]} > 0)); then
  patiently apt-mark unhold "${installed[@]}" >/dev/null
  mapfile -t removed < <(comm -23 <(simulated purge --auto-remove "${installed[@]}") <(simulated autoremove))
  apt purge "${removed[@]}"
fi
