# Changes arguments, mounts and files of this control plane's components, which keep their version. Where nothing differs, it does
# nothing. Otherwise the manifests are exchanged as in an upgrade, and when a component is not well in time, the previous manifests
# and files are put back. Certificates stay as they are.
# Functions: durable, etcd_member, static_pods, exchange_static_pods, staged_files.
# Variables: CONFIG (kubeadm's configuration of this control plane), API_PORT (of the API server on this host), FILES (managed
#   files whose content is staged, one per line), REMOVE (managed files to remove, one per line), RESTART (components to restart
#   when any of FILES differs, even if their manifests do not, one per line).
# Prints `unchanged`, or `restarted ` and a component, one per line. Leaves behind: the settings; the previous
#   manifests and files in /etc/kubeone/before/control_plane until all is well. Safe to run twice: an interrupted run is finished by
#   the next one.

work=/etc/kubernetes/kubeone-upgrade
BEFORE=/etc/kubeone/before/control_plane

# listed NAME TEXT: whether it is one of the lines.
listed() {
  grep --quiet --line-regexp --fixed-strings -- "$1" <<<"$2"
}

# keep_before: keeps the manifests of the components that change, then their names: the sign that a run has begun. What an
# interrupted run kept is older, and stays.
keep_before() {
  local name
  (umask 077 && mkdir -p "$BEFORE/manifests")
  for name in "${changing[@]}"; do
    if ! listed "$name" "$begun"; then keep_manifests "$BEFORE/manifests" "$name"; fi
  done
  settle "$BEFORE"
  sync -- "${BEFORE%/*}" "${BEFORE%/*/*}"
  printf '%s\n' "${changing[@]}" | write_file "$BEFORE/components"
}

# apply FOLDER: exchanges the manifests. An etcd that is well may still be of no use to the API server, so that is asked last.
apply() {
  exchange "$1" true "${changing[@]}" && in_time 'the API server is well' is_component_well kube-apiserver
}

restore() {
  local names
  mapfile -t names < <(components)
  last_words "${names[@]}" || true
  printf 'a component is not well with the new settings: putting back the previous ones\n' >&2
  if take_back_files && apply "$BEFORE/manifests"; then
    end_holding
    forget_before
    printf 'previous settings restored\n' >&2
  else
    printf 'the components are not well with the previous settings either\n' >&2
  fi
}

mapfile -t files < <(sed '/^$/d' <<<"$FILES")
mapfile -t unwanted < <(sed '/^$/d' <<<"$REMOVE")
differing=() leaving=() changing=() begun=
for path in "${files[@]}"; do
  is_staged "$path"
  if stage_differs "$path"; then differing+=("$path"); fi
done
for path in "${unwanted[@]}"; do
  can_be_managed "$path"
  if [[ -e $path ]]; then leaving+=("$path"); fi
done
# Without the names no file was put yet, and nothing exchanged.
if [[ -e $BEFORE/components ]]; then begun=$(<"$BEFORE/components"); else forget_before; fi
give_back_held
write_manifests
while read -r name; do
  if changes "$name" || listed "$name" "$begun" || { ((${#differing[@]} > 0)) && listed "$name" "$RESTART"; }; then
    changing+=("$name")
  fi
done < <(components)
if ((${#changing[@]} + ${#differing[@]} + ${#leaving[@]} == 0)); then
  forget_before
  remove_drafts
  echo unchanged
  exit 0
fi

case " ${changing[*]} " in
  *' etcd '* | *' kube-apiserver '*) in_time 'all members of etcd are well' members_are_well ;;
esac
# The engine records kubeadm's files again when all is done.
forget /etc/kubeone/recorded/files.sha256
keep_before
put_staged "${files[@]}"
if ((${#changing[@]} > 0)); then
  begin_holding
  if ! apply "$work/new"; then
    restore
    exit 1
  fi
  end_holding
fi
forget_before
remove_managed "${leaving[@]}"
forget_before
remove_drafts
for name in "${changing[@]}"; do printf 'restarted %s\n' "$name"; done
