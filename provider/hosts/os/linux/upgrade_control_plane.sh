# Brings a control plane to another version, in two parts. First its static pods, with the kubelet that runs: kubeadm writes the
# new manifests beside the old ones and renews the certificates, as its own upgrade does; then the manifests are exchanged,
# and when something is not well in time, the old ones are put back. Second its kubelet, whose packages are there already:
# a kubelet of another minor release takes the same manifests for other pods and would end all of them at once, so they are
# ended in order before and started by the new one.
# The order keeps the API reachable: the API server says at /readyz that it is about to stop; only when it is gone, so that
# nobody waits for answers it cannot give, etcd is ended, if it has to be. A manifest is put in place when nothing of the old
# pod is left: the kubelet would look again only after ten seconds or more. What runs is looked at itself, not what the API
# says of it. Should the host restart meanwhile, the kubelet first takes back the manifests that are held.
# Functions: durable, etcd_member, static_pods.
# Variables: PART (static_pods or kubelet), CONFIG (kubeadm's configuration of this control plane, with the new version),
#   API_PORT (of the API server on this host), KUBERNETES_VERSION, PATCHES (folder of kubeadm's patches; may be empty), RESTART_PODS
#   (whether the new kubelet takes static pods for others: true or false).
# Leaves behind: the new version; the manifests before in /etc/kubernetes/kubeone-upgrade/old until the next upgrade. Safe to
#   run twice: what is new and well is left alone.

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
# nobody, and votes all the same.
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

# write_manifests: what kubeadm would have this host run.
write_manifests() {
  rm -rf --one-file-system "$work/new"
  mkdir -p "$work/new" "$work/old"
  chmod 700 "$work"
  printf '%s' "$CONFIG" >"$work/config.yaml"
  export KUBEADM_INIT_DRYRUN_DIR=$work/new
  kubeadm init phase control-plane all --dry-run --config "$work/config.yaml" >/dev/null
  if [[ -e $manifests/etcd.yaml || -e $held/etcd.yaml ]]; then
    kubeadm init phase etcd local --dry-run --config "$work/config.yaml" >/dev/null
  fi
}

# changes NAME: whether its new manifest is another one.
changes() {
  [[ -e $work/new/$1.yaml ]] && ! cmp --silent "$work/new/$1.yaml" "$manifests/$1.yaml"
}

# hold NAME: takes its manifest from the kubelet, which ends the component.
hold() {
  if [[ -e $manifests/$1.yaml ]]; then mv "$manifests/$1.yaml" "$held/"; fi
}

# put FOLDER NAME: gives a manifest to the kubelet.
put() {
  install --mode=600 "$work/$1/$2.yaml" "$work/$2.yaml" && replace "$work/$2.yaml" "$manifests/$2.yaml" &&
    rm -f "$held/$2.yaml"
}

# exchange FOLDER NAME...: ends the components and starts them with the manifests of the folder; in between, when nothing runs,
# `restart_kubelet` may ask for another kubelet. It runs where a failure is asked for, so each line passes its own on.
exchange() {
  local folder=$1 name etcd='' first=()
  local -A old=()
  shift
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
  # Without a look at its files, where it is told to take back what is held.
  if [[ $restart_kubelet ]]; then systemctl restart kubelet 2>/dev/null || return 1; fi
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

is_component_well() {
  case $1 in
    etcd) caught_up ;;
    kube-apiserver) answers "https://127.0.0.1:$API_PORT/livez" && answers "https://127.0.0.1:$API_PORT/readyz" ;;
    kube-controller-manager) answers https://127.0.0.1:10257/healthz ;;
    kube-scheduler) answers https://127.0.0.1:10259/healthz ;;
  esac
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

upgrade_static_pods() {
  local name changing=()
  write_manifests
  if [[ -e $work/new/etcd.yaml ]]; then components=(etcd "${components[@]}"); fi
  for name in "${components[@]}"; do
    if changes "$name"; then changing+=("$name"); fi
  done
  if ((${#changing[@]} > 0)); then
    in_time 'all members of etcd are well' members_are_well
    for name in "${changing[@]}"; do
      # Where an earlier run was cut off, a manifest may be held still.
      if [[ -e $manifests/$name.yaml ]]; then
        cp --preserve=mode "$manifests/$name.yaml" "$work/old/"
      elif [[ -e $held/$name.yaml ]]; then
        cp --preserve=mode "$held/$name.yaml" "$work/old/"
      fi
    done
    # What is put back when the new one is not well must be there after a power cut, too.
    settle "$work"
    kubeadm certs renew all --config "$work/config.yaml" >/dev/null
    settle /etc/kubernetes
    begin_holding
    if ! exchange new "${changing[@]}"; then
      last_words "${changing[@]}" || true
      printf 'the old manifests are put back\n' >&2
      if exchange old "${changing[@]}"; then end_holding; else printf 'the old components are not well either\n' >&2; fi
      exit 1
    fi
    end_holding
  fi
}

# Runs while all static pods are new: kubeadm brings its own configuration in the cluster to their version.
upgrade_kubelet() {
  local options=(--skip-phases 'preflight,control-plane,addon')
  if [[ -n $PATCHES ]]; then options+=(--patches "$PATCHES"); fi
  kubeadm upgrade apply "v$KUBERNETES_VERSION" --yes "${options[@]}"
  systemctl daemon-reload
  if [[ $RESTART_PODS != true ]]; then
    systemctl restart kubelet
    return
  fi
  in_time 'all members of etcd are well' members_are_well
  if [[ -e $manifests/etcd.yaml ]]; then components=(etcd "${components[@]}"); fi
  rm -rf --one-file-system "$work/new"
  mkdir -p "$work/new"
  for name in "${components[@]}"; do cp --preserve=mode "$manifests/$name.yaml" "$work/new/"; done
  begin_holding
  restart_kubelet=yes
  if ! exchange new "${components[@]}"; then
    mv -n "$held"/*.yaml "$manifests/" 2>/dev/null || true
    end_holding
    exit 1
  fi
  end_holding
}

# The API server comes before the other two, which need it.
components=(kube-apiserver kube-controller-manager kube-scheduler)
restart_kubelet=
# The record of kubeadm's files is made anew when all is done. Until then nobody shall take this for damage.
forget /etc/kubeone/recorded/files.sha256
case $PART in
  static_pods) upgrade_static_pods ;;
  kubelet) upgrade_kubelet ;;
esac
for name in "${components[@]}"; do
  in_time "$name is well" is_component_well "$name"
done
rm -rf --one-file-system "$work/new" "$work/config.yaml"
