# Brings a control plane to another version, in two parts. First its static pods, with the kubelet that runs: kubeadm writes the
# new manifests beside the old ones and renews the certificates, as its own upgrade does; then the manifests are exchanged,
# and when something is not well in time, the old ones are put back. Second its kubelet, whose packages are there already:
# a kubelet of another minor release takes the same manifests for other pods and would end all of them at once, so they are
# ended in order before and started by the new one.
# Functions: durable, etcd_member, static_pods, exchange_static_pods, staged_files.
# Variables: PART (static_pods or kubelet), CONFIG (kubeadm's configuration of this control plane, with the new version),
#   API_PORT (of the API server on this host), KUBERNETES_VERSION, PATCHES (folder of kubeadm's patches; may be empty), RESTART_PODS
#   (whether the new kubelet takes static pods for others: true or false).
# Leaves behind: the new version; the manifests before in /etc/kubernetes/kubeone-upgrade/old until the next upgrade. Safe to
#   run twice: what is new and well is left alone.

work=/etc/kubernetes/kubeone-upgrade

upgrade_static_pods() {
  local name changing=()
  write_manifests
  while read -r name; do
    if changes "$name"; then changing+=("$name"); fi
  done < <(components)
  if ((${#changing[@]} == 0)); then return; fi
  in_time 'all members of etcd are well' members_are_well
  keep_manifests "$work/old" "${changing[@]}"
  # What is put back when the new one is not well must be there after a power cut, too.
  settle "$work"
  kubeadm certs renew all --config "$work/config.yaml" >/dev/null
  settle /etc/kubernetes
  begin_holding
  if ! exchange "$work/new" true "${changing[@]}"; then
    last_words "${changing[@]}" || true
    printf 'the old manifests are put back\n' >&2
    if exchange "$work/old" true "${changing[@]}"; then end_holding; else printf 'the old components are not well either\n' >&2; fi
    exit 1
  fi
  end_holding
  # What an interrupted configure_control_plane.sh kept does not fit the new manifests.
  BEFORE=/etc/kubeone/before/control_plane forget_before
}

restart_kubelet() {
  systemctl restart kubelet 2>/dev/null
}

# Runs while all static pods are new: kubeadm brings its own configuration in the cluster to their version.
upgrade_kubelet() {
  local options=(--skip-phases 'preflight,control-plane,addon') names
  if [[ -n $PATCHES ]]; then options+=(--patches "$PATCHES"); fi
  kubeadm upgrade apply "v$KUBERNETES_VERSION" --yes "${options[@]}"
  systemctl daemon-reload
  if [[ $RESTART_PODS != true ]]; then
    systemctl restart kubelet
    return
  fi
  in_time 'all members of etcd are well' members_are_well
  mapfile -t names < <(components)
  rm -rf --one-file-system "$work/new"
  mkdir -p "$work/new"
  keep_manifests "$work/new" "${names[@]}"
  begin_holding
  # Without a look at its files, where it is told to take back what is held.
  if ! exchange "$work/new" restart_kubelet "${names[@]}"; then
    give_back_held
    exit 1
  fi
  end_holding
}

# kubeadm's files are recorded again when all is done. Until then no difference counts as damage.
forget /etc/kubeone/recorded/files.sha256
give_back_held
case $PART in
  static_pods) upgrade_static_pods ;;
  kubelet) upgrade_kubelet ;;
esac
while read -r name; do
  in_time "$name is well" is_component_well "$name"
done < <(components)
remove_drafts
