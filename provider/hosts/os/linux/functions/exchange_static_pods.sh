# Functions that exchange the manifests of static pods on a control plane that runs. kubeadm writes the new manifests beside the
# old ones; then the old pods are ended in order and the new ones started.
# The order keeps the API reachable: the API server says at /readyz that it is about to stop; only when it is gone, so that
# no client waits for answers it cannot give, etcd is ended, if it has to be. A manifest is put in place when nothing of the old
# pod is left: the kubelet would look again only after ten seconds or more. What runs is looked at itself, not what the API
# says of it. Should the host restart meanwhile, the kubelet first takes back the manifests that are held.
# Variables: CONFIG (kubeadm's configuration of this control plane), API_PORT (of the API server on this host).
# Leaves behind: what it works with in /etc/kubernetes/kubeone-upgrade. Safe to run twice.

manifests=/etc/kubernetes/manifests
work=/etc/kubernetes/kubeone-upgrade
held=$work/held
take_back=/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf
etcd_pki=/etc/kubernetes/pki/etcd
# A component that is not well by then will not be. Images are there already; what takes time is the end of the old ones.
patience=150

is_well() {
  curl --silent --max-time 3 --cacert "$etcd_pki/ca.crt" --cert "$etcd_pki/healthcheck-client.crt" \
    --key "$etcd_pki/healthcheck-client.key" "$1/health" | grep --quiet '"health":"true"'
}

# answers URL: whether a server on this host says that it is well. Controllers have certificates of their own.
answers() {
  curl --silent --fail --insecure --max-time 3 --output /dev/null "$1"
}

# in_time WHAT COMMAND...: until the command succeeds.
in_time() {
  await "$1" "$patience" "${@:2}"
}

# members_are_well: every member of etcd votes and is well. Only then one of them may be stopped. One that never started serves
# no client, and votes all the same.
members_are_well() {
  local list member url asked=
  list=$(etcd cluster/member/list '{"linearizable":true}') || return 1
  if [[ $list == *'"isLearner":true'* ]]; then return 1; fi
  while read -r member; do
    url=$(sed -n 's/.*"clientURLs":\["\([^"]*\)".*/\1/p' <<<"$member")
    [[ $url ]] && is_well "$url" || return 1
    asked=yes
  done < <(tr '{' '\n' <<<"$list" | grep '"ID":')
  [[ $asked ]]
}

# caught_up: the member on this host has applied all that the majority has agreed on.
caught_up() {
  local status index applied
  is_well https://127.0.0.1:2379 || return 1
  status=$(etcd maintenance/status '{}') || return 1
  index=$(number raftIndex <<<"$status")
  applied=$(number raftAppliedIndex <<<"$status")
  ((index - applied < 1000))
}

is_component_well() {
  case $1 in
    etcd) caught_up ;;
    kube-apiserver) answers "https://127.0.0.1:$API_PORT/livez" && answers "https://127.0.0.1:$API_PORT/readyz" ;;
    kube-controller-manager) answers https://127.0.0.1:10257/healthz ;;
    kube-scheduler) answers https://127.0.0.1:10259/healthz ;;
  esac
}

# components: those that this host runs. The API server comes before the other two, which need it.
components() {
  if [[ -e $manifests/etcd.yaml ]]; then echo etcd; fi
  printf '%s\n' kube-apiserver kube-controller-manager kube-scheduler
}

# write_manifests: what kubeadm would have this host run.
write_manifests() {
  rm -rf --one-file-system "$work/new"
  mkdir -p "$work/new" "$work/old"
  chmod 700 "$work"
  printf '%s' "$CONFIG" >"$work/config.yaml"
  export KUBEADM_INIT_DRYRUN_DIR=$work/new
  kubeadm init phase control-plane all --dry-run --config "$work/config.yaml" >/dev/null
  if [[ -e $manifests/etcd.yaml ]]; then
    kubeadm init phase etcd local --dry-run --config "$work/config.yaml" >/dev/null
  fi
}

# changes NAME: whether its new manifest is another one. Which members etcd found when it joined counts only while it has no data,
# and kubeadm writes that for a member that joins, never afterwards.
changes() {
  local joined='/^ *- --initial-cluster(-state)?=/d'
  [[ -e $work/new/$1.yaml ]] || return 1
  [[ -e $manifests/$1.yaml ]] || return 0
  ! cmp --silent <(sed --regexp-extended "$joined" "$work/new/$1.yaml") <(sed --regexp-extended "$joined" "$manifests/$1.yaml")
}

# keep_manifests FOLDER NAME...: keeps the present ones there.
keep_manifests() {
  local folder=$1 name
  shift
  for name; do
    if [[ -e $manifests/$name.yaml ]]; then cp --preserve=mode "$manifests/$name.yaml" "$folder/" || return 1; fi
  done
}

# hold NAME: takes its manifest from the kubelet, which ends the component.
hold() {
  if [[ -e $manifests/$1.yaml ]]; then mv "$manifests/$1.yaml" "$held/"; fi
}

# put FOLDER NAME: gives a manifest to the kubelet.
put() {
  install --mode=600 "$1/$2.yaml" "$work/$2.yaml" && replace "$work/$2.yaml" "$manifests/$2.yaml" &&
    rm -f "$held/$2.yaml"
}

# exchange FOLDER BETWEEN NAME...: ends the components and starts them with the manifests of the folder; in between, when nothing
# runs, the command BETWEEN. It runs where a failure is asked for, so each line passes its own on.
exchange() {
  local folder=$1 between=$2 name etcd='' first=()
  local -A old=()
  shift 2
  for name; do
    if [[ $name == etcd ]]; then etcd=yes; else first+=("$name"); fi
    old[$name]=$(pods "$name")
  done
  if [[ $etcd ]]; then hand_over_leadership; fi
  for name in "${first[@]}"; do hold "$name" || return 1; done
  for name in "${first[@]}"; do
    in_time "the old $name has ended" ended "$name" "${old[$name]}" || return 1
  done
  if [[ $etcd ]]; then
    hold etcd || return 1
    in_time 'the old etcd has ended' ended etcd "${old[etcd]}" || return 1
  fi
  "$between" || return 1
  if [[ $etcd ]]; then
    put "$folder" etcd || return 1
    in_time 'etcd runs' runs etcd || return 1
    in_time 'etcd has caught up' caught_up || return 1
  fi
  for name in "${first[@]}"; do
    put "$folder" "$name" || return 1
    in_time "$name runs" runs "$name" || return 1
    in_time "$name is well" is_component_well "$name" || return 1
  done
}

# begin_holding: from here on a kubelet that starts takes back what is held.
begin_holding() {
  mkdir -p "$held" "${take_back%/*}"
  printf '[Service]\nExecStartPre=-/bin/sh -c "mv -n %s/*.yaml %s/"\n' "$held" "$manifests" | write_file "$take_back"
}

end_holding() {
  rm -f "$take_back"
  rmdir --ignore-fail-on-non-empty "$held"
}

# give_back_held: an interrupted exchange begins again with what ran before. Where a manifest is there already, it was put in
# the place of the held one.
give_back_held() {
  [[ -d $held ]] || return 0
  if compgen -G "$held/*.yaml" >/dev/null; then
    mv -n "$held"/*.yaml "$manifests/" && rm -f "$held"/*.yaml || return 1
  fi
  end_holding
}

# last_words NAME...: what the components said last that are not well. Their logs go with their pods.
last_words() {
  local name log
  for name; do
    if runs "$name" && is_component_well "$name"; then continue; fi
    log=$(find /var/log/pods -path "/var/log/pods/kube-system_$name-*/$name/*.log" -printf '%T@ %p\n' 2>/dev/null |
      sort --numeric-sort | tail --lines 1 | cut --delimiter ' ' --fields 2-)
    if [[ $log ]]; then
      printf '%s said last:\n' "$name" >&2
      tail --lines 5 "$log" | cut --characters 1-500 | sed 's/^/  /' >&2
    fi
  done
}

# remove_drafts: what only this run needed.
remove_drafts() {
  rm -rf --one-file-system "$work/new" "$work/config.yaml"
}
