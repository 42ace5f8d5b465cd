# Stops the control plane on this host before etcd is restored: its static pods end in good order, the API server before
# etcd, and their manifests are kept aside. The kubelet and all other pods go on.
# Functions: static_pods.
# Variables: WHAT (what is restored).
# Leaves behind: /etc/kubernetes/kubeone-restore with the manifests in `held` and the file `what`, until restore_etcd.sh or
#   reset_node.sh. Safe to run twice.

manifests=/etc/kubernetes/manifests
work=/etc/kubernetes/kubeone-restore
held=$work/held

umask 077
mkdir -p "$held"
# First of all, so that whoever looks at this host knows why there is no control plane on it.
printf '%s\n' "$WHAT" >"$work/what.new"
sync "$work/what.new"
mv "$work/what.new" "$work/what"
# The record of kubeadm's files is made anew when all is done. Until then nobody shall take this for damage.
rm -f /etc/kubeone/recorded/files.sha256
# Without them nobody ends the pods, and nobody starts them again.
systemctl start containerd
systemctl start kubelet

declare -A old
for name in kube-controller-manager kube-scheduler kube-apiserver etcd; do
  old[$name]=$(pods "$name" | sort --unique)
done
for name in kube-controller-manager kube-scheduler kube-apiserver; do
  if [[ -e $manifests/$name.yaml ]]; then mv "$manifests/$name.yaml" "$held/"; fi
done
# An API server that is told to end lets its clients go first.
for name in kube-controller-manager kube-scheduler kube-apiserver; do
  await "$name has ended" 150 ended "$name" "${old[$name]}"
done
if [[ -e $manifests/etcd.yaml ]]; then mv "$manifests/etcd.yaml" "$held/"; fi
await 'etcd has ended' 150 ended etcd "${old[etcd]}"
