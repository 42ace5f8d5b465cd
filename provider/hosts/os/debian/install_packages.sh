# Installs Kubernetes and containerd in exact versions, holds them, and lets containerd run with its present configuration.
# Reads /etc/apt/sources.list.d/kubeone.sources. Nothing is downloaded when the right versions are there and undamaged.
# Variables: KUBERNETES_VERSION (such as 1.35.4), CONTAINERD_VERSION (beginning of a version, such as `2.` or `2.2.5-`;
#   empty where containerd is not ours and stays as it is), SIGNING_KEYS (lines of path, URL, and the fingerprints
#   that the key may have, separated by commas), LOCK_SECONDS (how long to wait while another program uses apt), FETCH_ONLY
#   (`true`: only kubeadm is installed, and the rest downloaded; what runs stays as it is. `false`: all of it),
#   RESTART_KUBELET (`true`: one whose program was exchanged starts anew; `false`: its caller does that, in order).
# Functions: apt, damage, signing_keys.
# Leaves behind: packages, on hold; other entries for the same repositories set aside, as apt refuses two keys for one;
#   the repositories' keys; containerd running, in the version that is installed. Safe to run twice.

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

# Only the lists of our repositories: a host has many others, and they are not needed. apt takes no list without a valid
# signature of our keys, and by itself follows no redirect from HTTPS to HTTP.
update_our_lists() {
  apt update -o "Dir::Etc::SourceList=$sources" -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=false \
    -o APT::Update::Error-Mode=any -o Acquire::AllowInsecureRepositories=false -o Acquire::AllowWeakRepositories=false \
    -o Acquire::AllowDowngradeToInsecureRepositories=false -o Acquire::https::Verify-Peer=true \
    -o Acquire::https::Verify-Host=true
}

# is_offered PACKAGE VERSION: whether the lists have it in a version that begins like this. Else says what they have.
is_offered() {
  local version offered
  offered=$(apt-cache madison "$1" | cut --delimiter='|' --fields=2 | tr --delete ' ' | sort --version-sort --unique)
  while read -r version; do
    if [[ $version == "$2"* ]]; then return 0; fi
  done <<<"$offered"
  offered=$(tail --lines=10 <<<"$offered" | paste --serial --delimiters=' ')
  printf 'the package repository does not offer %s %s; the newest that it offers are: %s\n' "$1" "${2%-}" "${offered:-none}" >&2
  return 1
}

# all_offered: whether what has to be installed can be had.
all_offered() {
  local package version
  for package in "${packages[@]}"; do
    version=${package#*=}
    version=${version%\*}
    installed "${package%%=*}" "$version" || is_offered "${package%%=*}" "$version"
  done
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

# find_damage: which of those that stay in their version are to be installed once more, and from which version on.
find_damage() {
  local package candidates=(kubernetes-cni cri-tools)
  for package in "${packages[@]}"; do
    package=${package%\*}
    if installed "${package%%=*}" "${package#*=}"; then candidates+=("${package%%=*}"); fi
  done
  mapfile -t damaged < <(damaged_packages "${candidates[@]}")
}

# reinstall PACKAGE...: in the version that is wanted, or that belongs to the others.
reinstall() {
  local package wanted=()
  for package; do
    case " ${packages[*]} " in
      *" $package="*) wanted+=("$(printf '%s\n' "${packages[@]}" | grep --max-count=1 "^$package=")") ;;
      *) wanted+=("$package") ;;
    esac
  done
  apt install --reinstall --no-install-recommends --allow-downgrades --allow-change-held-packages "${wanted[@]}"
}

# runs_old_program SERVICE: whether it runs on with a program that was exchanged since.
runs_old_program() {
  local pid
  pid=$(systemctl show "$1" --property MainPID --value)
  ((pid > 0)) && [[ $(readlink "/proc/$pid/exe") == *' (deleted)' ]]
}

finish_interrupted_dpkg
set_other_entries_aside
damaged=()
keys_changed=no
if [[ $FETCH_ONLY == false ]]; then find_damage; fi
if ((${#damaged[@]} > 0)) || ! all_installed; then
  # apt complains of half a package as long as it does not know where to get the rest from.
  if [[ -z $(dpkg --audit) ]]; then apt check; fi
  if ! command -v curl >/dev/null || ! command -v gpg >/dev/null; then
    apt update
    apt install --no-install-recommends ca-certificates curl gpg
  fi
  install_signing_keys
  if [[ $keys_changed == yes ]] || ((${#damaged[@]} > 0)) || ! is_downloaded; then
    update_our_lists
    all_offered
    # A new machine may not know the packages of its own distribution yet.
    download || { apt update && download; }
  fi
  if [[ $FETCH_ONLY == true ]]; then
    apt install --no-download --no-install-recommends --allow-downgrades --allow-change-held-packages \
      "kubeadm=$KUBERNETES_VERSION-*"
  else
    apt install --no-download --no-install-recommends --allow-downgrades --allow-change-held-packages "${packages[@]}"
    if ((${#damaged[@]} > 0)); then
      reinstall "${damaged[@]}"
      find_damage
      if ((${#damaged[@]} > 0)); then
        printf 'these packages are damaged, and installing them once more did not help: %s\n' "${damaged[*]}" >&2
        exit 1
      fi
    fi
    # The archives are as large as what is in them.
    apt clean
  fi
fi
patiently apt-mark hold "${names[@]}" >/dev/null

if [[ $FETCH_ONLY == true ]]; then
  exit 0
fi
systemctl --quiet enable containerd kubelet
if [[ $RESTART_KUBELET == true ]] && runs_old_program kubelet; then
  systemctl restart kubelet
fi
if ! systemctl --quiet is-active containerd; then
  systemctl start containerd
elif [[ $CONTAINERD_VERSION ]]; then
  started=$(date --date "$(systemctl show containerd --property ExecMainStartTimestamp --value)" +%s)
  if runs_old_program containerd || (($(stat --format %Y /etc/containerd/config.toml) >= started)); then
    systemctl restart containerd
  fi
fi
