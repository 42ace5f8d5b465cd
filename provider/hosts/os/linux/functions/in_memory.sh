# A folder in memory, for root only, for what must be in a file and on no disk.
# Variables: none.
# Leaves behind: /run/kubeone, empty. Safe to run twice.

# make_memory: makes the folder. Only root can make anything in /run, so what else is there was put there by mistake.
make_memory() {
  (umask 077 && mkdir -p /run/kubeone)
  if [[ -L /run/kubeone || $(stat --format '%u' /run/kubeone) != 0 ]]; then
    echo '/run/kubeone is a link, or not owned by root: remove it and apply again' >&2
    return 1
  fi
  chmod 700 /run/kubeone
}

# file_in_memory: prints the path of a new file there, which its caller removes.
file_in_memory() {
  make_memory && mktemp --tmpdir=/run/kubeone config.XXXXXXXX
}
