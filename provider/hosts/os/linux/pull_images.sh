# Pulls the images that a node will need. It need not wait for them: whoever needs one first finds it, or pulls it and
# shows what is wrong with it. Where it is known which content an image must have, it waits, and other content is refused.
# Variables: KUBERNETES_VERSION, ROLE (control_plane or worker), IMAGES (further images, one per line), DIGESTS (lines of image
#   and digest, for images whose content is known; may be empty), AWAIT (`true`: fails when one of them cannot be pulled;
#   `false`: only begins), CONFIG (kubeadm's configuration of the cluster in this version, which says where its images come
#   from; empty before there is one).
# Leaves behind: the unit kubeone-images until all is pulled. Safe to run twice.

if [[ $DIGESTS ]]; then
  AWAIT=true
fi
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

declare -A locked=() present=()
while read -r image digest; do
  if [[ $image ]]; then locked[$image]=$digest; fi
done <<<"$DIGESTS"

# look: which images are there, and with which content.
look() {
  local image digest
  present=()
  while read -r image _ digest _; do
    present[$image]=$digest
  done < <(ctr --namespace k8s.io images list | tail --lines=+2)
}

# is_there IMAGE: whether it is there, with the content that it must have.
is_there() {
  [[ ${present[$1]:-} && ${present[$1]} == "${locked[$1]:-${present[$1]}}" ]]
}

# pull IMAGE: by its digest where that is known: nothing else can come then, whatever the registry has under the name.
pull() {
  local source=$1
  if [[ ${locked[$1]:-} ]]; then
    source=${1%:*}@${locked[$1]}
  fi
  ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d "$source" >/dev/null || {
    if [[ $source != "$1" ]]; then
      printf 'the image %s cannot be pulled with the content that is locked, %s\n' "$1" "${locked[$1]}" >&2
    fi
    return 1
  }
  if [[ $source != "$1" ]]; then
    ctr --namespace k8s.io images tag --force "$source" "$1" >/dev/null
  fi
}

look
missing=()
needed=()
while read -r image; do
  [[ $image ]] || continue
  needed+=("$image")
  if ! is_there "$image"; then missing+=("$image"); fi
done < <(kubernetes_images; printf '%s\n' "$IMAGES")

if [[ $AWAIT == true ]]; then
  pulls=()
  for image in "${missing[@]}"; do
    pull "$image" &
    pulls+=($!)
  done
  for pull in "${pulls[@]}"; do
    wait "$pull"
  done
  look
  for image in "${needed[@]}"; do
    if ! is_there "$image"; then
      printf 'the image %s has the content %s, and %s is locked\n' "$image" "${present[$image]:-(none)}" "${locked[$image]:-(none)}" >&2
      exit 1
    fi
  done
elif ((${#missing[@]} > 0)); then
  # shellcheck disable=SC2016  # the variables belong to the bash in the unit
  systemd-run --quiet --collect --unit kubeone-images -- bash -c '
    for image; do
      ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image" >/dev/null &
    done
    wait' pull "${missing[@]}"
fi
