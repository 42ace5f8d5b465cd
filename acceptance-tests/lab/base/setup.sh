#!/bin/bash
# Turns the bootstrapped Debian in $1 into the base of all lab hosts. Run by mmdebstrap on the machine, as root.
# Variables: LAB_BASE = the folder of this file; KERNEL_RELEASE = the running kernel.
set -euo pipefail
root=$1

cp --recursive --no-target-directory "$LAB_BASE/files" "$root"
chmod 440 "$root/etc/sudoers.d/kubeone"
chmod 755 "$root/usr/local/lib/lab/open-cgroups"

chroot "$root" useradd --create-home --shell /bin/bash kubeone
install -d -m 700 -o "$(chroot "$root" id -u kubeone)" -g "$(chroot "$root" id -g kubeone)" "$root/home/kubeone/.ssh"

# One host key per host, made when the host is created; the journal on disk, so that it survives a reboot.
rm -f "$root"/etc/ssh/ssh_host_*
mkdir -p "$root/var/log/journal"
: >"$root/etc/machine-id"

systemctl --root="$root" enable --quiet lab-cgroups.service ssh.service
systemctl --root="$root" mask --quiet \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  console-getty.service getty.target serial-getty@.service getty-static.service \
  systemd-networkd.service systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service

modules="$root/lib/modules/$KERNEL_RELEASE"
mkdir -p "$modules"
grep --invert-match '^#' "$LAB_BASE/built-in-modules.txt" >"$modules/modules.builtin"
: >"$modules/modules.order"
chroot "$root" depmod "$KERNEL_RELEASE"

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
