# Restarts components of this control plane, and waits until they are well again.
# Functions: control_plane_health, durable, etcd_member, static_pods.
# Variables: COMPONENTS (names of static pods, one per line), API_PORT (of the API server on this host), AWAIT_HEALTH
#   (whether etcd and the API server can be well when they run again: true, or false while the other members of etcd
#   are not there either), RENEWED (whether they were restarted for new certificates: true or false).
# Leaves nothing behind; with RENEWED it removes /etc/kubeone/renewal. Safe to run twice.

# A component that has not come back by then will not.
deadline=$((SECONDS + 150))

# stop NAME SECONDS: ends its containers in an orderly way, or by force when that takes longer. The kubelet starts new ones.
stop() {
  local name=$1 patience=$((SECONDS + $2)) container old
  mapfile -t old < <(containers "$name")
  for container in "${old[@]}"; do
    ctr --namespace k8s.io tasks kill --signal SIGTERM "$container" 2>/dev/null || true
  done
  for container in "${old[@]}"; do
    while containers "$name" | grep --quiet --line-regexp "$container"; do
      if ((SECONDS >= patience)); then
        ctr --namespace k8s.io tasks kill --signal SIGKILL "$container" 2>/dev/null || true
      fi
      sleep 0.1
    done
  done
}

# in_time WHAT COMMAND...: until the command succeeds.
in_time() {
  await "$1" $((deadline - SECONDS)) "${@:2}"
}

uses() {
  grep --quiet --line-regexp "$1" <<<"$COMPONENTS"
}

# One that gave up, as for a certificate that has ended, is started again only after a pause of minutes, unless the
# kubelet begins anew. Without a kubelet nothing comes back.
restart_kubelet=
if ! systemctl --quiet is-active kubelet; then restart_kubelet=yes; fi
while read -r component; do
  if [[ -n $component ]] && ! runs "$component"; then restart_kubelet=yes; fi
done <<<"$COMPONENTS"

# The API server goes first: without its etcd it would answer, and fail. Watches never end by themselves.
if uses kube-apiserver; then stop kube-apiserver 5; fi
if uses etcd; then
  hand_over_leadership
  stop etcd 10
fi
if [[ $restart_kubelet ]]; then systemctl restart kubelet; fi
if uses etcd; then
  in_time 'a new container of etcd' runs etcd
  if [[ $AWAIT_HEALTH == true ]]; then in_time 'etcd is well again' etcd_is_well; fi
fi
if uses kube-apiserver && [[ $AWAIT_HEALTH == true ]]; then
  in_time 'the API server is ready again' api_server_is_ready
fi
for component in kube-controller-manager kube-scheduler; do
  if uses "$component"; then stop "$component" 5; fi
done
for component in kube-controller-manager kube-scheduler; do
  if uses "$component"; then in_time "a new container of $component" runs "$component"; fi
done
if [[ $RENEWED == true ]]; then forget /etc/kubeone/renewal; fi
