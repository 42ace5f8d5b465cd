# Removes packages that were installed for the cluster, and what only they needed. What could have been removed before
# is not ours, and stays.
# Variables: PACKAGES (names, one per line), LOCK_SECONDS (how long to wait while another program uses apt).
# Leaves behind: the other packages, no longer on hold. Safe to run twice, and on a host without these packages.

export DEBIAN_FRONTEND=noninteractive

purge() {
  apt-get --quiet --quiet --assume-yes -o "DPkg::Lock::Timeout=$LOCK_SECONDS" -o Dpkg::Options::=--force-unsafe-io \
    -o Dpkg::Use-Pty=false purge "$@"
}

# Packages that were installed for the sake of others which are gone.
unneeded() {
  apt-get --simulate autoremove | sed -n 's/^Remv \([^ ]*\).*/\1/p' | sort
}

installed=()
while read -r package; do
  if [[ -n $package && $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) != '' ]]; then
    installed+=("$package")
  fi
done <<<"$PACKAGES"

if ((${#installed[@]} > 0)); then
  apt-mark unhold "${installed[@]}" >/dev/null
  before=$(unneeded)
  purge "${installed[@]}"
  mapfile -t orphans < <(comm -13 <(printf '%s\n' "$before") <(unneeded))
  if ((${#orphans[@]} > 0)); then
    purge "${orphans[@]}"
  fi
fi
