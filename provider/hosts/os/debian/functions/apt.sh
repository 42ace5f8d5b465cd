# How every script works with apt and dpkg: without questions, and with patience for others who work with them.
# Variables: LOCK_SECONDS (how long to wait while another program uses apt).
# Leaves nothing behind. Safe to run twice.

export DEBIAN_FRONTEND=noninteractive
# What runs is started anew by us, when it is time.
export NEEDRESTART_SUSPEND=1

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

# dpkg flushes what it unpacks, whatever the host's own configuration says: else a power cut leaves programs of zero bytes.
apt() {
  patiently apt-get --quiet --quiet --assume-yes -o DPkg::Lock::Timeout=0 -o Dpkg::Use-Pty=false \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--refuse-unsafe-io "$@"
}

# An interrupted dpkg refuses all further work until it may finish. What cannot be configured is reinstalled later, or
# apt says what is wrong with it.
finish_interrupted_dpkg() {
  if [[ -n $(dpkg --audit) ]]; then
    patiently dpkg --configure --pending --force-confdef --force-confold --refuse-unsafe-io || true
  fi
}
