# Lets kubeadm write the settings of another kubelet on this worker, and starts it.
# Functions: durable.
# Variables: PATCHES (folder of kubeadm's patches; may be empty).
# Leaves behind: the kubelet of the installed version, started anew. Safe to run twice.

options=(--skip-phases preflight)
if [[ -n $PATCHES ]]; then options+=(--patches "$PATCHES"); fi
# The record of kubeadm's files is made anew when all is done. Until then nobody shall take this for damage.
forget /etc/kubeone/recorded/files.sha256
kubeadm upgrade node "${options[@]}"
systemctl daemon-reload
systemctl restart kubelet
