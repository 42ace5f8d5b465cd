# Functions for static pods that are ended and started again.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# containers NAME: the running containers of a static pod. It fails when containerd does not answer. What ctr warns of, each
# time, would hide what matters.
containers() {
  local all running
  all=$(ctr --namespace k8s.io containers list --quiet \
    "labels.\"io.kubernetes.container.name\"==$1,labels.\"io.kubernetes.pod.namespace\"==kube-system" 2>/dev/null) || return 1
  running=$(ctr --namespace k8s.io tasks list 2>/dev/null) || return 1
  running=$(awk '$3 == "RUNNING" { print $1 }' <<<"$running")
  comm -12 <(sort <<<"$all") <(sort <<<"$running") | sed '/^$/d'
}

runs() {
  [[ -n $(containers "$1") ]]
}

# pods NAME: the uids of the pods in which the component runs.
pods() {
  local container
  for container in $(containers "$1"); do
    ctr --namespace k8s.io containers info "$container" 2>/dev/null |
      sed -n 's/.*"io.kubernetes.pod.uid": "\([^"]*\)".*/\1/p' | head -n 1
  done
}

# ended NAME UIDS: whether nothing of these pods of a component is left, not even their cgroups, which go last.
ended() {
  local running uid
  running=$(containers "$1") || return 1
  [[ -z $running ]] || return 1
  for uid in $2; do
    [[ -z $(find /sys/fs/cgroup -maxdepth 5 -type d -name "*pod${uid//-/_}*" -print -quit 2>/dev/null) ]] || return 1
  done
}

# await WHAT SECONDS COMMAND...: until the command succeeds.
await() {
  local what=$1 patience=$2 began=$SECONDS
  shift 2
  until "$@"; do
    if ((SECONDS >= began + patience)); then
      printf '%s: not within %d s\n' "$what" "$patience" >&2
      return 1
    fi
    sleep 0.1
  done
  printf '%s: %d s\n' "$what" $((SECONDS - began))
}
