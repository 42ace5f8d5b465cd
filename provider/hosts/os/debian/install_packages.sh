# Installs Kubernetes and containerd in exact versions, holds them, and lets containerd run with its present configuration.
# Reads /etc/apt/sources.list.d/kubeone.sources. Nothing is downloaded when the right versions are there.
# Variables: KUBERNETES_VERSION (such as 1.35.4), CONTAINERD_VERSION (beginning of a version, such as `2.`),
#   SIGNING_KEYS (lines of path and URL), LOCK_SECONDS (how long to wait while another program uses apt).
# Leaves behind: packages, on hold; the repositories' keys; containerd running. Safe to run twice.

sources=/etc/apt/sources.list.d/kubeone.sources
export DEBIAN_FRONTEND=noninteractive

# installed PACKAGE VERSION: whether it is installed in a version that begins like this.
installed() {
  local state
  state=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
  [[ $state == "installed $2"* ]]
}

# patiently COMMAND...: runs it again and again while another program holds a lock of apt or dpkg. Their own waiting does
# not know all locks, and does not name the program.
patiently() {
  local errors deadline=$((SECONDS + LOCK_SECONDS))
  errors=$(mktemp)
  until "$@" 2>"$errors"; do
    if ((SECONDS >= deadline)) || ! grep --quiet --extended-regexp 'Could not get lock|was locked by' "$errors"; then
      cat "$errors" >&2
      rm -f "$errors"
      return 1
    fi
    sleep 0.2
  done
  rm -f "$errors"
}

apt() {
  patiently apt-get --quiet --quiet --assume-yes -o DPkg::Lock::Timeout=0 -o Dpkg::Use-Pty=false \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io "$@"
}

# An interrupted dpkg refuses all further work until it may finish.
finish_interrupted_dpkg() {
  if [[ -n $(dpkg --audit) ]]; then
    patiently dpkg --configure --pending --force-confdef --force-confold
  fi
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

packages=(
  "containerd.io=$CONTAINERD_VERSION*"
  "kubelet=$KUBERNETES_VERSION-*"
  "kubeadm=$KUBERNETES_VERSION-*"
  "kubectl=$KUBERNETES_VERSION-*"
)
names=("${packages[@]%%=*}")

finish_interrupted_dpkg
if ! { installed containerd.io "$CONTAINERD_VERSION" && installed kubelet "$KUBERNETES_VERSION-" &&
  installed kubeadm "$KUBERNETES_VERSION-" && installed kubectl "$KUBERNETES_VERSION-"; }; then
  apt check
  if ! command -v curl >/dev/null; then
    apt update
    apt install --no-install-recommends ca-certificates curl
  fi
  fetch_signing_keys
  update_our_lists
  # A new machine may not know the packages of its own distribution yet.
  download || { apt update && download; }
  apt install --no-download --no-install-recommends --allow-downgrades --allow-change-held-packages "${packages[@]}"
  # The archives are as large as what is in them.
  apt clean
fi
patiently apt-mark hold "${names[@]}" >/dev/null

systemctl --quiet enable containerd kubelet
if ! systemctl --quiet is-active containerd; then
  systemctl start containerd
else
  started=$(date --date "$(systemctl show containerd --property ExecMainStartTimestamp --value)" +%s)
  if (($(stat --format %Y /etc/containerd/config.toml) >= started)); then
    systemctl restart containerd
  fi
fi
