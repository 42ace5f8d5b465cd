# Stops the control plane on this host before etcd is restored: its static pods end in good order, the API server before
# etcd, and their manifests are kept aside. The kubelet and all other pods go on.
# Functions: durable, static_pods.
# Variables: WHAT (what is restored).
# Leaves behind: /etc/kubernetes/kubeone-restore with the manifests in `held` and the file `what`, until restore_etcd.sh or
#   reset_node.sh. Safe to run twice.

manifests=/etc/kubernetes/manifests
work=/etc/kubernetes/kubeone-restore
held=$work/held

# end NAME: waits until the kubelet has ended a component whose manifest was taken, or does it in its place. A kubelet that has
# started anew and reached no API server since ends no pod: it does not know yet which it should have.
end() {
  local container
  if await "$1 has ended" 75 ended "$1" "${old[$1]}"; then return; fi
  systemctl stop kubelet
  for container in $(containers "$1"); do
    ctr --namespace k8s.io tasks kill --signal SIGTERM "$container" 2>/dev/null || true
  done
  # Its cgroup stays until there is an API server again.
  if ! await "$1 has ended without the kubelet" 75 ended "$1" ''; then
    systemctl start kubelet
    return 1
  fi
  systemctl start kubelet
}

umask 077
mkdir -p "$held"
# First of all, so that whoever looks at this host knows why there is no control plane on it.
printf '%s\n' "$WHAT" | write_file "$work/what"
# The record of kubeadm's files is made anew when all is done. Until then nobody shall take this for damage.
forget /etc/kubeone/recorded/files.sha256
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
for name in kube-controller-manager kube-scheduler kube-apiserver; do end "$name"; done
if [[ -e $manifests/etcd.yaml ]]; then mv "$manifests/etcd.yaml" "$held/"; fi
end etcd
