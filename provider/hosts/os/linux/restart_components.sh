# Restarts components of this control plane, and waits until they are well again.
# Functions: control_plane_health.
# Variables: COMPONENTS (names of static pods, one per line), API_PORT (of the API server on this host), AWAIT_HEALTH
#   (whether etcd and the API server can be well when they run again: true, or false while the other members of etcd
#   are not there either), RENEWED (whether they were restarted for new certificates: true or false).
# Leaves nothing behind; with RENEWED it removes /etc/kubeone/renewal. Safe to run twice.

etcd_pki=/etc/kubernetes/pki/etcd
# A component that has not come back by then will not.
deadline=$((SECONDS + 150))

# containers NAME: the running containers of a static pod.
containers() {
  local all running
  all=$(ctr --namespace k8s.io containers list --quiet \
    "labels.\"io.kubernetes.container.name\"==$1,labels.\"io.kubernetes.pod.namespace\"==kube-system")
  running=$(ctr --namespace k8s.io tasks list | awk '$3 == "RUNNING" { print $1 }')
  comm -12 <(sort <<<"$all") <(sort <<<"$running") | sed '/^$/d'
}

runs() {
  [[ -n $(containers "$1") ]]
}

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

# await WHAT COMMAND...: until the command succeeds.
await() {
  local what=$1
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then
      printf '%s: not within 150 s\n' "$what" >&2
      return 1
    fi
    sleep 0.1
  done
}

# hand_over_leadership: without it, etcd elects a leader when the present one is gone, which costs a second or two.
hand_over_leadership() {
  local url=https://127.0.0.1:2379/v3 status member successor
  local ask=(curl --silent --fail --max-time 5 --cacert "$etcd_pki/ca.crt" --cert "$etcd_pki/healthcheck-client.crt"
    --key "$etcd_pki/healthcheck-client.key")
  status=$("${ask[@]}" --data '{}' "$url/maintenance/status") || return 0
  member=$(sed -n 's/.*"member_id":"\([0-9]*\)".*/\1/p' <<<"$status")
  if [[ $status != *"\"leader\":\"$member\""* ]]; then return 0; fi
  successor=$("${ask[@]}" --data '{}' "$url/cluster/member/list" | tr '{' '\n' | grep -v '"isLearner":true' |
    sed -n 's/^"ID":"\([0-9]*\)".*/\1/p' | grep --invert-match --line-regexp "$member" | head --lines 1) || return 0
  "${ask[@]}" --output /dev/null --data "{\"targetID\":\"$successor\"}" "$url/maintenance/transfer-leadership" || true
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
  await 'a new container of etcd' runs etcd
  if [[ $AWAIT_HEALTH == true ]]; then await 'etcd is well again' etcd_is_well; fi
fi
if uses kube-apiserver && [[ $AWAIT_HEALTH == true ]]; then
  await 'the API server is ready again' api_server_is_ready
fi
for component in kube-controller-manager kube-scheduler; do
  if uses "$component"; then stop "$component" 5; fi
done
for component in kube-controller-manager kube-scheduler; do
  if uses "$component"; then await "a new container of $component" runs "$component"; fi
done
if [[ $RENEWED == true ]]; then rm -f /etc/kubeone/renewal; fi
