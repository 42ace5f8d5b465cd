# Takes away what a restore kept on this host to be completed by. It refuses while a manifest is held aside: without it there
# would be no control plane on this host, and nothing to make one from.
# Variables: INCOMING (folder of a snapshot that was sent here for it).
# Leaves behind: the data before the restore, as /var/lib/etcd/before-restore. Safe to run twice.

for manifest in /etc/kubernetes/kubeone-restore/held/*; do
  if [[ -e $manifest ]]; then
    printf '%s is still held aside: the control plane on this host was not started again\n' "$manifest" >&2
    exit 1
  fi
done
rm -rf --one-file-system /etc/kubernetes/kubeone-restore "$INCOMING"
