# Removes our files from this host, puts swap back, and removes what removed packages left behind. The marker, last of
# the files, goes last: until then everybody sees that this host is not clean yet.
# Functions: durable, empty_folder.
# Variables: FILES (paths, one per line), ORIGINALS (paths that get back what keep_originals.sh found; may be empty),
#   CONTAINERD_REMOVED and CNI_REMOVED (whether these packages are gone: true or
#   false), KEEP_SNAPSHOTS (whether the snapshots of etcd stay in /var/backups/kubeone: true or false).
# Leaves behind: the host as it was before the cluster. Safe to run twice.

# remove_snapshots: those of etcd, of whatever cluster, and what a snapshot or a restore that was cut off has left.
remove_snapshots() {
  local folder=/var/backups/kubeone
  if [[ ! -d $folder ]]; then return; fi
  find "$(realpath "$folder")" -xdev -mindepth 1 -maxdepth 1 -regextype posix-extended \
    -regex '.*/(\.new\.db(\.part)?|\.kubeone\.[^/]+|[^/]+-[0-9]{8}T[0-9]{6}Z-r[0-9]+-v[0-9.]+\.(db|json)(\.new)?)' \
    -exec rm -f -- {} +
}

settle_removals() {
  local folder
  for folder in /etc /var/lib /var/lib/{etcd,kubelet,containerd} /var/backups; do
    if [[ -d $folder ]]; then sync --file-system "$folder"; fi
  done
}

systemctl daemon-reload
if systemctl --quiet is-enabled kubelet 2>/dev/null; then
  systemctl --quiet disable kubelet
fi
if [[ $CONTAINERD_REMOVED == true ]]; then
  empty_folder /run/containerd /var/lib/containerd
fi
if [[ $CNI_REMOVED == true ]]; then
  empty_folder /opt/cni
fi
if [[ -f /etc/fstab ]] && grep --quiet '^#kubeone# ' /etc/fstab; then
  edit /etc/fstab 's/^#kubeone# //'
  swapon --all
fi
originals=/etc/kubeone/originals
if [[ $ORIGINALS && -d $originals ]]; then
  while read -r file; do
    if [[ -e $originals$file ]]; then
      cp --preserve=all "$originals$file" "$file.new" && replace "$file.new" "$file"
    else
      rm -f -- "$file"
    fi
  done <<<"$ORIGINALS"
  # It runs with what it read at its start.
  systemctl try-restart containerd
fi
if [[ $KEEP_SNAPSHOTS != true ]]; then remove_snapshots; fi
empty_folder /var/backups/kubeone/incoming
rmdir --ignore-fail-on-non-empty /var/backups/kubeone 2>/dev/null || true
if [[ -d /etc/kubeone ]]; then
  find /etc/kubeone -xdev -mindepth 1 -maxdepth 1 ! -name cluster.json -exec rm -rf --one-file-system -- {} +
fi
# With what a write that was cut off has left beside them. The disk has forgotten everything else before the marker goes.
while read -r file; do
  if [[ $file == /etc/kubeone/cluster.json ]]; then settle_removals; fi
  rm -f -- "$file" "$file.new" "${file%/*}"/.kubeone.????????
done <<<"$FILES"
# A containerd that stays watches this folder, and ends when it goes.
if [[ $CONTAINERD_REMOVED == true ]]; then
  rmdir --ignore-fail-on-non-empty /etc/cni/net.d /etc/cni 2>/dev/null || true
fi
for folder in /etc/containerd/certs.d /etc/containerd /etc/systemd/system/kubelet.service.d \
  /etc/kubeone; do
  rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true
done
# What was removed may have been a part of a service.
systemctl daemon-reload
# Nobody holds these locks any more: the last long step has ended.
rm -rf --one-file-system /run/kubeone
