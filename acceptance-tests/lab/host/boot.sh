#!/bin/sh
# Runs one host until it powers off; boots it again when it reboots.
# Arguments: the host's cgroup folders, `--`, the arguments of systemd-nspawn. Everything it starts stays in those cgroups.
set -u
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs" || exit 1
  shift
done
shift
while :; do
  systemd-nspawn "$@"
  # 133: the machine asked for a reboot, and systemd-nspawn leaves that to whoever started it.
  [ $? -eq 133 ] || exit
done
