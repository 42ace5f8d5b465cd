# Puts the data of a snapshot in place before `kubeadm init` makes this host the first control plane of a cluster that was
# lost. Nodes and their heartbeats are taken out of them: none of those machines is there any more, and new ones of the
# same names must not be taken for them.
# Functions: etcd_tools.
# Variables: KUBERNETES_VERSION, SNAPSHOT (path of the snapshot), SHA256 (of the snapshot), NODE (its name), PEER_URL
#   (of the member of etcd).
# Leaves behind: /var/lib/etcd/member. Safe to run twice: each run makes it anew. It refuses a host whose etcd runs.

data=/var/lib/etcd
build=$data/kubeone-build

delete_nodes() {
  own_etcdctl "$build/data" del --prefix /registry/minions/
  own_etcdctl "$build/data" del --prefix /registry/leases/kube-node-lease/
}

umask 077
if [[ -e /etc/kubernetes/manifests/etcd.yaml ]]; then
  echo 'there is an etcd on this host already' >&2
  exit 1
fi
image=$(kubeadm config images list --kubernetes-version "v$KUBERNETES_VERSION" | grep /etcd:)
if ! ctr --namespace k8s.io images list --quiet | grep --quiet --line-regexp --fixed-strings "$image"; then
  ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image" >/dev/null
fi
mount_tools "$image"
verify "$SNAPSHOT" "$SHA256"
mkdir -p "$data"
chmod 700 "$data"
make_room_for "$data" "$SNAPSHOT"
rm -rf --one-file-system "$build" "$data/member"
mkdir "$build"
new_member "$SNAPSHOT" "$build/data" "$NODE" "$PEER_URL" 0
with_etcd "$build/data" '' delete_nodes
sync --file-system "$build"
mv "$build/data/member" "$data/member"
rm -rf --one-file-system "$build"
