# Takes away what a restore kept on this host to be completed by.
# Variables: INCOMING (folder of a snapshot that was sent here for it).
# Leaves behind: the data before the restore, as /var/lib/etcd/before-restore. Safe to run twice.

rm -rf /etc/kubernetes/kubeone-restore "$INCOMING"
