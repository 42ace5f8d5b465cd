# Takes Kubernetes off this host: containers, kubeadm's files, pod network, rules. Packages and our settings stay.
# What others put on the host stays as well: only known names of Kubernetes, Calico and flannel are removed.
# It asks nothing of the cluster, which may not answer; that is why it is not `kubeadm reset`.
# Functions: empty_folder.
# Variables: JOINS_AGAIN (whether the host was a node of the cluster and becomes one again: then files and static pods of
#   others in /etc/kubernetes stay; true or false).
# Leaves behind: a host on which `kubeadm init` or `join` can start anew. Safe to run twice, and on a bare host.

# clear_kubeadm_files: removes what kubeadm and this provider make in /etc/kubernetes. What else lies there nobody would
# bring back, and API servers may not start without it.
clear_kubeadm_files() (
  cd /etc/kubernetes 2>/dev/null || return 0
  rm -rf --one-file-system {admin,super-admin,kubelet,bootstrap-kubelet,controller-manager,scheduler}.conf{,.new} tmp kubeone-* \
    pki/kubeone-new
  rm -f /etc/kubeone/{configured.json,configuring}
  rm -f manifests/{etcd,kube-apiserver,kube-controller-manager,kube-scheduler}.yaml
  rm -f pki/{ca,sa,front-proxy-ca,front-proxy-client,apiserver,apiserver-kubelet-client,apiserver-etcd-client}.{crt,key,pub}
  rm -f pki/etcd/{ca,server,peer,healthcheck-client}.{crt,key}
)

# kill_shims: ends the processes beside pods.
kill_shims() {
  pkill -KILL --full '^[^ ]*containerd-shim-runc-v2 -namespace k8s[.]io ' || true
}

# kill_pods: ends all processes of pods, where no containerd can do it.
kill_pods() {
  local processes pid
  kill_shims
  while read -r processes; do
    while read -r pid; do
      # 0 stands for a process of another machine.
      if ((pid > 0)); then kill -KILL "$pid" 2>/dev/null || true; fi
    done <"$processes"
  done < <(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs 2>/dev/null)
}

# Every container at once and by force: an orderly end would ask an API server that may be gone already.
remove_containers() {
  local ctr=(ctr --namespace k8s.io) container containers
  systemctl cat containerd >/dev/null 2>&1 || return 0
  # One that stopped has left its containers running, and forgets them with its packages.
  systemctl start containerd || true
  if ! "${ctr[@]}" version >/dev/null 2>&1; then
    kill_pods
    return
  fi
  mapfile -t containers < <("${ctr[@]}" containers list --quiet 2>/dev/null)
  for container in "${containers[@]}"; do
    {
      "${ctr[@]}" tasks delete --force "$container" >/dev/null 2>&1 || true
      "${ctr[@]}" containers delete "$container" >/dev/null 2>&1 || true
    } &
  done
  wait
  # The process beside a pod misses the end of containers that end together.
  kill_shims
  # containerd still holds the pods in its memory, and would try to give their addresses back.
  systemctl try-restart containerd
}

remove_network() {
  local link namespace
  for namespace in /run/netns/cni-*; do
    if [[ -e $namespace ]]; then ip netns delete "${namespace##*/}"; fi
  done
  while read -r link; do
    ip link delete "$link" 2>/dev/null || true
  done < <(ip -oneline link show | sed -nE 's/^[0-9]+: ((cali|vxlan\.calico|flannel[.-]|cni0|kube-ipvs0|nodelocaldns)[^:@]*).*/\1/p')
}

# remove_rules SAVE RESTORE: writes the rules back without those of Kubernetes and its pod network.
remove_rules() {
  local ours='(^:| -[AIjgN] ?|^-A )"?(KUBE-|CNI-|cali-|FLANNEL-)|--comment "?(cali:|flanneld )' rules
  command -v "$1" "$2" >/dev/null || return 0
  rules=$("$1" 2>/dev/null) || return 0
  if grep --quiet --extended-regexp -- "$ours" <<<"$rules"; then
    grep --invert-match --extended-regexp -- "$ours" <<<"$rules" | "$2"
  fi
}

remove_sets() {
  local set
  command -v ipset >/dev/null || return 0
  while read -r set; do
    ipset destroy "$set" 2>/dev/null || true
  done < <(ipset list -name 2>/dev/null | grep --extended-regexp '^(cali[46]|KUBE-)' || true)
}

if systemctl cat kubelet >/dev/null 2>&1; then
  systemctl stop kubelet
fi
remove_containers
# First what may be mounted: where that stays, everything stays.
empty_folder /var/lib/kubelet
if [[ $JOINS_AGAIN == true ]]; then clear_kubeadm_files; else empty_folder /etc/kubernetes; fi
empty_folder /var/lib/etcd /var/lib/cni /var/lib/calico /var/run/calico /var/log/calico /run/flannel /run/calico /var/log/pods \
  /var/log/containers /etc/kubeone/{recorded,renewal,before/control_plane} /var/backups/kubeone/incoming
# A step that was killed leaves its configuration in memory, with the token of a join in it.
rm -f /run/kubeone/{config.*,discovery.conf}
# From an upgrade that was cut off.
rm -f /etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf
rm -f /etc/cni/net.d/*canal* /etc/cni/net.d/*calico* /etc/cni/net.d/*flannel*
remove_network
for backend in '' -nft -legacy; do
  remove_rules "iptables$backend-save" "iptables$backend-restore"
  remove_rules "ip6tables$backend-save" "ip6tables$backend-restore"
done
remove_sets
