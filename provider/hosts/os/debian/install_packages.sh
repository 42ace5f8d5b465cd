# Installs Kubernetes and containerd in exact versions, holds them, and lets containerd run with its present configuration.
# Reads /etc/apt/sources.list.d/kubeone.sources. Nothing is downloaded when the right versions are there.
# Variables: KUBERNETES_VERSION (such as 1.35.4), CONTAINERD_VERSION (beginning of a version, such as `2.`;
#   empty where containerd is somebody else's and stays as it is),
#   SIGNING_KEYS (lines of path and URL), LOCK_SECONDS (how long to wait while another program uses apt), FETCH_ONLY
#   (`true`: only kubeadm is installed, and the rest downloaded; what runs stays as it is. `false`: all of it),
#   RESTART_KUBELET (`true`: one whose program was exchanged starts anew; `false`: its caller does that, in order).
# Functions: apt.
# Leaves behind: packages, on hold; other entries for the same repositories set aside, as apt refuses two keys for one;
#   the repositories' keys; containerd running. Safe to run twice.

sources=/etc/apt/sources.list.d/kubeone.sources

# installed PACKAGE VERSION: whether it is installed in a version that begins like this.
installed() {
  local state
  state=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
  [[ $state == "installed $2"* ]]
}

# set_other_entries_aside: lines become comments, files of stanzas get another name; remove_packages.sh puts them back.
set_other_entries_aside() {
  local uri file
  while read -r uri; do
    uri=${uri%/}
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
      if [[ -e $file ]] && grep --quiet --extended-regexp "^[[:space:]]*deb.*[[:space:]]$uri/?[[:space:]]" "$file"; then
        sed --in-place --regexp-extended "\\#^[[:space:]]*deb.*[[:space:]]$uri/?[[:space:]]#s/^/#kubeone# /" "$file"
      fi
    done
    for file in /etc/apt/sources.list.d/*.sources; do
      if [[ -e $file && $file != "$sources" ]] && grep --quiet --extended-regexp "^URIs:.*[[:space:]]$uri/?([[:space:]]|$)" "$file"; then
        mv "$file" "$file.kubeone-aside"
      fi
    done
  done < <(sed --quiet 's/^URIs: //p' "$sources")
}

# Both at a time, over HTTPS; a key is replaced in one move.
fetch_signing_keys() {
  local path url downloads=()
  mkdir -p /etc/apt/keyrings
  while read -r path url; do
    curl --fail --silent --show-error --location --retry 3 --max-time 60 --output "$path.new" "$url" &
    downloads+=($!)
  done <<<"$SIGNING_KEYS"
  for download in "${downloads[@]}"; do
    wait "$download"
  done
  while read -r path url; do
    mv "$path.new" "$path"
  done <<<"$SIGNING_KEYS"
}

# Only the lists of our repositories: a host has many others, and they are not needed.
update_our_lists() {
  apt update -o "Dir::Etc::SourceList=$sources" -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=false \
    -o APT::Update::Error-Mode=any
}

download() {
  apt install --download-only --no-install-recommends --allow-downgrades --allow-change-held-packages "${packages[@]}"
}

# is_downloaded: whether all archives are there already. The addresses that are printed are those of the others.
is_downloaded() {
  local addresses
  addresses=$(apt-get --quiet --quiet --print-uris install --no-install-recommends --allow-downgrades \
    --allow-change-held-packages "${packages[@]}" 2>/dev/null) && [[ -z $addresses ]]
}

packages=("kubelet=$KUBERNETES_VERSION-*" "kubeadm=$KUBERNETES_VERSION-*" "kubectl=$KUBERNETES_VERSION-*")
if [[ $CONTAINERD_VERSION ]]; then
  packages+=("containerd.io=$CONTAINERD_VERSION*")
fi
names=("${packages[@]%%=*}")

# all_installed: whether nothing has to be done.
all_installed() {
  local package
  for package in "${packages[@]}"; do
    package=${package%\*}
    installed "${package%%=*}" "${package#*=}" || return 1
  done
}

finish_interrupted_dpkg
set_other_entries_aside
if ! all_installed; then
  apt check
  if ! command -v curl >/dev/null; then
    apt update
    apt install --no-install-recommends ca-certificates curl
  fi
  if ! is_downloaded; then
    fetch_signing_keys
    update_our_lists
    # A new machine may not know the packages of its own distribution yet.
    download || { apt update && download; }
  fi
  if [[ $FETCH_ONLY == true ]]; then
    apt install --no-download --no-install-recommends --allow-downgrades --allow-change-held-packages \
      "kubeadm=$KUBERNETES_VERSION-*"
  else
    apt install --no-download --no-install-recommends --allow-downgrades --allow-change-held-packages "${packages[@]}"
    # The archives are as large as what is in them.
    apt clean
  fi
fi
patiently apt-mark hold "${names[@]}" >/dev/null

if [[ $FETCH_ONLY == true ]]; then
  exit 0
fi
systemctl --quiet enable containerd kubelet
# One whose program was exchanged runs on with the old one.
kubelet=$(systemctl show kubelet --property MainPID --value)
if [[ $RESTART_KUBELET == true ]] && ((kubelet > 0)) && [[ $(readlink "/proc/$kubelet/exe") == *' (deleted)' ]]; then
  systemctl restart kubelet
fi
if ! systemctl --quiet is-active containerd; then
  systemctl start containerd
elif [[ $CONTAINERD_VERSION ]]; then
  started=$(date --date "$(systemctl show containerd --property ExecMainStartTimestamp --value)" +%s)
  if (($(stat --format %Y /etc/containerd/config.toml) >= started)); then
    systemctl restart containerd
  fi
fi
