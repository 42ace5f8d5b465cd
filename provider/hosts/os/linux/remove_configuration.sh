# Removes our files from this host, puts swap back, and removes what removed packages left behind. The marker, last of
# the files, goes last: until then everybody sees that this host is not clean yet.
# Variables: FILES (paths, one per line), ORIGINALS (paths that get back what keep_originals.sh found; may be empty),
#   CONTAINERD_REMOVED and CNI_REMOVED (whether these packages are gone: true or
#   false).
# Leaves behind: the host as it was before the cluster. Safe to run twice.

# clear FOLDER...: unmounts what is mounted below, and removes the folders, or only their content where they are mounted.
clear() {
  local folder target
  for folder; do
    while read -r _ _ _ _ target _; do
      if [[ $target == "$folder"/* ]]; then printf '%b\n' "$target"; fi
    done </proc/self/mountinfo | sort --reverse | while read -r target; do
      umount --lazy "$target" || true
    done
    if mountpoint --quiet "$folder"; then
      find "$folder" -mindepth 1 -delete
    else
      rm -rf "$folder"
    fi
  done
}

systemctl daemon-reload
if systemctl --quiet is-enabled kubelet 2>/dev/null; then
  systemctl --quiet disable kubelet
fi
if [[ $CONTAINERD_REMOVED == true ]]; then
  clear /run/containerd /var/lib/containerd
fi
if [[ $CNI_REMOVED == true ]]; then
  clear /opt/cni
fi
if [[ -f /etc/fstab ]] && grep --quiet '^#kubeone# ' /etc/fstab; then
  sed --in-place 's/^#kubeone# //' /etc/fstab
  swapon --all
fi
originals=/etc/kubeone/originals
if [[ $ORIGINALS && -d $originals ]]; then
  while read -r file; do
    if [[ -e $originals$file ]]; then
      cp --preserve=all "$originals$file" "$file"
    else
      rm -f -- "$file"
    fi
  done <<<"$ORIGINALS"
  # It runs with what it read at its start.
  systemctl try-restart containerd
fi
rm -rf "$originals"
while read -r file; do
  rm -f -- "$file"
done <<<"$FILES"
# A containerd that stays watches this folder, and ends when it goes.
if [[ $CONTAINERD_REMOVED == true ]]; then
  rmdir --ignore-fail-on-non-empty /etc/cni/net.d /etc/cni 2>/dev/null || true
fi
for folder in /etc/containerd/certs.d /etc/containerd /etc/systemd/system/kubelet.service.d \
  /etc/kubeone/kubelet.conf.d /etc/kubeone/patches /etc/kubeone; do
  rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true
done
# What was removed may have been a part of a service.
systemctl daemon-reload
# Nobody holds these locks any more: the last long step has ended.
rm -rf /run/kubeone
