# Pulls the images that a node will need. It need not wait for them: whoever needs one first finds it, or pulls it and
# shows what is wrong with it.
# Variables: KUBERNETES_VERSION, ROLE (control_plane or worker), IMAGES (further images, one per line), AWAIT (`true`: fails
#   when one of them cannot be pulled; `false`: only begins), CONFIG (kubeadm's configuration of the cluster in this version,
#   which says where its images come from; empty before there is one).
# Leaves behind: the unit kubeone-images until all is pulled. Safe to run twice.

if [[ $AWAIT == false ]] && systemctl --quiet is-active kubeone-images; then
  exit 0
fi

kubernetes_images() {
  local images
  if [[ -n $CONFIG ]]; then
    images=$(kubeadm config images list --config /dev/stdin <<<"$CONFIG")
  else
    images=$(kubeadm config images list --kubernetes-version "v$KUBERNETES_VERSION")
  fi
  if [[ $ROLE == worker ]]; then
    grep --extended-regexp '/(kube-proxy|pause):' <<<"$images"
  else
    printf '%s\n' "$images"
  fi
}

present=$(ctr --namespace k8s.io images list --quiet)
missing=()
while read -r image; do
  if [[ -n $image ]] && ! grep --quiet --line-regexp --fixed-strings "$image" <<<"$present"; then
    missing+=("$image")
  fi
done < <(kubernetes_images; printf '%s\n' "$IMAGES")

if [[ $AWAIT == true ]]; then
  pulls=()
  for image in "${missing[@]}"; do
    ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image" >/dev/null &
    pulls+=($!)
  done
  for pull in "${pulls[@]}"; do
    wait "$pull"
  done
elif ((${#missing[@]} > 0)); then
  # shellcheck disable=SC2016  # the variables belong to the bash in the unit
  systemd-run --quiet --collect --unit kubeone-images -- bash -c '
    for image; do
      ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image" >/dev/null &
    done
    wait' pull "${missing[@]}"
fi
