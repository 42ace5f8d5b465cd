# Removes packages that were installed for the cluster, and what only they needed. What could have been removed before
# is not ours, and stays.
# Variables: PACKAGES (names, one per line), LOCK_SECONDS (how long to wait while another program uses apt).
# Leaves behind: the other packages, no longer on hold. Safe to run twice, and on a host without these packages.

export DEBIAN_FRONTEND=noninteractive

# patiently COMMAND...: runs it again and again while another program holds a lock of apt or dpkg. Their own waiting does
# not know all locks, and does not name the program.
patiently() {
  local errors deadline=$((SECONDS + LOCK_SECONDS))
  errors=$(mktemp)
  until "$@" 2>"$errors"; do
    if ((SECONDS >= deadline)) || ! grep --quiet --extended-regexp 'Could not get lock|was locked by' "$errors"; then
      cat "$errors" >&2
      rm -f "$errors"
      return 1
    fi
    sleep 0.2
  done
  rm -f "$errors"
}

apt() {
  patiently apt-get --quiet --quiet --assume-yes -o DPkg::Lock::Timeout=0 -o Dpkg::Use-Pty=false \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io "$@"
}

# An interrupted dpkg refuses all further work until it may finish.
finish_interrupted_dpkg() {
  if [[ -n $(dpkg --audit) ]]; then
    patiently dpkg --configure --pending --force-confdef --force-confold
  fi
}

# simulated ARGUMENT...: packages that apt-get would remove.
simulated() {
  apt-get --simulate "$@" | sed -n -E 's/^(Remv|Purg) ([^ ]*).*/\2/p' | sort
}

finish_interrupted_dpkg
installed=()
while read -r package; do
  if [[ -n $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) ]]; then
    installed+=("$package")
  fi
done <<<"$PACKAGES"

if ((${#installed[@]} > 0)); then
  patiently apt-mark unhold "${installed[@]}" >/dev/null
  mapfile -t removed < <(comm -23 <(simulated purge --auto-remove "${installed[@]}") <(simulated autoremove))
  apt purge "${removed[@]}"
fi
