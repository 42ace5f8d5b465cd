# Prints what is on this host, as one JSON object. Reads only; needs nothing beyond coreutils, systemd and (for etcd) curl.
# On a node that started a moment ago it waits, for up to 20 s, until what starts with it is up.
# Functions: json.
# Variables: FILES (paths of managed files, one per line; the answer holds SHA-256 and mode of those that exist).
# Leaves nothing behind. Safe to run twice.

# shellcheck disable=SC2317  # functions are called from the object at the end

# text FILE: what is in a file, or the beginning of what no file of its kind is long enough for; nothing where there is none.
text() {
  if [[ -f $1 && -r $1 ]]; then head -c 131072 -- "$1" | tr -d '\0'; fi
}

# damage PATH: why a file that is there cannot be used; nothing where it can, and nothing where there is none.
damage() {
  if [[ ! -e $1 && ! -L $1 ]]; then return; fi
  if [[ -d $1 ]]; then
    printf 'it is a folder'
  elif [[ ! -e $1 ]]; then
    printf 'it is a link to nothing'
  elif [[ ! -f $1 ]]; then
    printf 'it is no file'
  elif ! head --bytes 1 -- "$1" >/dev/null 2>&1; then
    printf 'it cannot be read'
  elif (($(stat --dereference --format=%s -- "$1") > 131072)); then
    printf 'it is larger than 128 KiB'
  # After a power cut a file may have its length and nothing in it.
  elif [[ -z $(LC_ALL=C tr -d '\0[:space:]' <"$1" | head --bytes 1 || true) ]]; then
    printf 'it is empty'
  fi
}

# content PATH: what is in a file as a JSON string, empty where there is none; or `{"unusable":REASON}`.
content() {
  local reason
  reason=$(damage "$1")
  if [[ $reason ]]; then
    printf '{"unusable":%s}' "$(quote "$reason")"
  else
    quote "$(text "$1")"
  fi
}

# exists PATH: `true` or `false`.
exists() {
  if [[ -e $1 ]]; then printf true; else printf false; fi
}

# operating_system: from /etc/os-release. The file is in the shell's language, and is read as the data that it is.
operating_system() {
  local line value
  local -A release=()
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    line=${line%"${line##*[![:space:]]}"}
    [[ $line =~ ^([A-Z_]+)=(.*)$ ]] || continue
    value=${BASH_REMATCH[2]}
    if [[ $value == \"*\" || $value == \'*\' ]] && ((${#value} > 1)); then
      value=${value:1:-1}
    fi
    release[${BASH_REMATCH[1]}]=$value
  # A backslash stands before what would mean something to a shell.
  done < <(text /etc/os-release | sed -E 's/\\([\"`$])/\1/g')
  value=${release[UBUNTU_CODENAME]:-${release[VERSION_CODENAME]-}}
  printf '{"id":%s,"id_like":%s,"version_id":%s,"version_codename":%s}' "$(quote "${release[ID]-}")" \
    "$(quote "${release[ID_LIKE]-}")" "$(quote "${release[VERSION_ID]-}")" "$(quote "$value")"
}

architecture() {
  case $(uname -m) in
    x86_64) printf '"amd64"' ;;
    aarch64) printf '"arm64"' ;;
    *) quote "$(uname -m)" ;;
  esac
}

cgroup_version() {
  if [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]; then printf '"v2"'; else printf '"v1"'; fi
}

memory_mib() {
  local kib
  kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
  printf '%d' $((kib / 1024))
}

# free_disk_mib: the least that is free in the places that fill up.
free_disk_mib() {
  local folders=(/) folder free
  for folder in /var/lib/containerd /var/lib/etcd /var/lib/kubelet; do
    if [[ -d $folder ]]; then folders+=("$folder"); fi
  done
  free=$(df --output=avail --block-size=1M "${folders[@]}" 2>/dev/null | tail -n +2 | sort -n | head -n 1 || true)
  printf '%d' "$((free))"
}

swap_active() {
  local lines
  mapfile -t lines </proc/swaps
  if ((${#lines[@]} > 1)); then printf true; else printf false; fi
}

# packages: name and version of our packages, one per line, as the package manager knows them.
packages() {
  if command -v dpkg-query >/dev/null; then
    dpkg-query --show --showformat '${db:Status-Status} ${Package} ${Version}\n' \
      containerd.io containerd kubelet kubeadm kubectl 2>/dev/null | sed -n 's/^installed //p' || true
  elif command -v rpm >/dev/null; then
    rpm --query --queryformat '%{NAME} %{VERSION}\n' containerd.io containerd kubelet kubeadm kubectl 2>/dev/null |
      grep -v 'not installed' || true
  fi
}

package_versions() {
  local name version
  while read -r name version; do
    version=${version#*:}
    version=${version%%[-~+]*}
    printf '%s %s\n' "${name%.io}" "$version"
  done < <(packages) | sort --unique --key=1,1 | while read -r name version; do
    member "$name" "$(quote "$version")"
  done | object
}

# containerd_offered: versions of containerd in the package lists of our own repositories, as they were read last. Nothing is
# downloaded, and apt's cache, which may have to be rebuilt, is not asked.
containerd_offered() {
  local uri list
  while read -r uri; do
    uri=${uri#*://}
    uri=${uri%/}
    for list in "/var/lib/apt/lists/${uri//\//_}"_*_Packages*; do
      [[ -f $list ]] || continue
      # Not what comes before a release, such as 2.3.0~rc.1-1.
      /usr/lib/apt/apt-helper cat-file "$list" 2>/dev/null | sed --quiet --regexp-extended \
        '/^Package: containerd\.io$/,/^$/s/^Version: ([^:]*:)?([0-9]+\.[0-9]+\.[0-9]+)-.*/\2/p' || true
    done
  done < <(sed --quiet 's/^URIs: //p' /etc/apt/sources.list.d/kubeone.sources 2>/dev/null || true) |
    sort --version-sort --unique | tail --lines=100 | lines
}

# is_program FILE: whether it begins like one. After a power cut it may be empty, or hold nothing but zeros.
is_program() {
  local magic=
  IFS= read -r -d '' -n 4 magic <"$1" || true
  [[ $magic == $'\x7fELF' || $magic == '#!'* ]]
} 2>/dev/null

# damaged: our packages that are half installed, and programs of installed ones that are none.
damaged() {
  local state package program programs
  if ! command -v dpkg-query >/dev/null; then
    lines </dev/null
    return
  fi
  while read -r state package; do
    programs=()
    case $state in
      installed)
        case $package in
          containerd.io) programs=(/usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /usr/bin/ctr /usr/bin/runc) ;;
          kubelet | kubeadm | kubectl) programs=("/usr/bin/$package") ;;
          kubernetes-cni) programs=(/opt/cni/bin/{bridge,host-local,loopback,portmap}) ;;
        esac
        ;;
      half-* | unpacked) printf '%s\n' "$package" ;;
    esac
    for program in "${programs[@]}"; do
      if ! is_program "$program"; then printf '%s\n' "$program"; fi
    done
  done < <(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' \
    containerd.io kubelet kubeadm kubectl kubernetes-cni cri-tools 2>/dev/null || true) | lines
}

static_pods() {
  local file
  for file in /etc/kubernetes/manifests/*.yaml; do
    [[ -e $file ]] || continue
    file=${file##*/}
    printf '%s\0' "${file%.yaml}"
  done | strings
}

# images: the images of the static pods, by the names of their manifests.
images() {
  local file image
  for file in /etc/kubernetes/manifests/*.yaml; do
    [[ -e $file ]] || continue
    image=$(text "$file" | sed -n 's/^ *image: //p')
    file=${file##*/}
    member "${file%.yaml}" "$(quote "${image%%$'\n'*}")"
  done | object
}

# manifests: what kubeadm's static pods run with, by their names.
manifests() {
  local name file
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    file=/etc/kubernetes/manifests/$name.yaml
    [[ -f $file ]] || continue
    member "$name" "$(quote "$(text "$file")")"
  done | object
}

api_server() {
  quote "$(text /etc/kubernetes/kubelet.conf | sed -n 's/^ *server: //p')"
}

kubernetes_files() {
  local ca=
  if [[ -r /etc/kubernetes/pki/ca.crt ]]; then ca=$(sha256sum /etc/kubernetes/pki/ca.crt); fi
  printf '{"admin_conf":%s,"kubelet_conf":%s,"static_pods":%s,"images":%s,"etcd_data":%s,"ca_sha256":"%s","api_server":%s}' \
    "$(exists /etc/kubernetes/admin.conf)" "$(exists /etc/kubernetes/kubelet.conf)" "$(static_pods)" "$(images)" \
    "$(exists /var/lib/etcd/member)" "${ca%% *}" "$(api_server)"
}

# Files of the components of a control plane. Those with secrets are for root only.
component_files=/etc/kubernetes/kubeone-files

# managed_files: those of FILES that exist, and of the components without secrets, each ended by NUL.
managed_files() {
  local path
  while IFS= read -r path; do
    if [[ -f $path ]]; then printf '%s\0' "$path"; fi
  done <<<"$FILES"
  for path in "$component_files"/*; do
    if [[ -f $path && $(stat --format %a -- "$path") != 600 ]]; then printf '%s\0' "$path"; fi
  done
}

# configured: what was configured on a control plane, as its record says, and whether a change of it is under way. Of secret
# files there are hashes with a salt.
configured() {
  local salt file hash
  salt=$(text /etc/kubeone/salt)
  printf '{"begun":%s,"text":%s,"salt":%s,"fingerprints":%s}' "$(exists /etc/kubeone/configuring)" \
    "$(quote "$(text /etc/kubeone/configured.json)")" "$(quote "$salt")" "$(
      for file in "$component_files"/*; do
        [[ $salt && -f $file && $(stat --format %a -- "$file") == 600 ]] || continue
        hash=$( (printf '%s' "$salt" && text "$file") | sha256sum)
        member "$file" "\"${hash%% *}\""
      done | object
    )"
}

file_hashes() {
  local line paths
  mapfile -d '' -t paths < <(managed_files)
  # With --zero names are printed as they are: 64 digits, two characters, the name.
  if ((${#paths[@]} > 0)); then sha256sum --zero -- "${paths[@]}" 2>/dev/null || true; fi |
    while IFS= read -r -d '' line; do
      member "${line:66}" "\"${line::64}\""
    done | object
}

# file_modes: mode, owner and group of the managed files. Those of a link are its own.
file_modes() {
  local mode path paths
  mapfile -d '' -t paths < <(managed_files)
  if ((${#paths[@]} > 0)); then stat --printf '%a %U %G\0%n\0' -- "${paths[@]}" 2>/dev/null || true; fi |
    while IFS= read -r -d '' mode && IFS= read -r -d '' path; do
      member "$path" "\"$mode\""
    done | object
}

# unfinished: the scripts that were interrupted while they changed managed files.
unfinished() {
  local folder
  for folder in /etc/kubeone/before/*/; do
    [[ -d $folder ]] || continue
    folder=${folder%/}
    printf '%s\n' "${folder##*/}"
  done | lines
}

# changed_files: those of kubeadm's files that are not as record_files.sh found them, or gone. A name with a backslash or a
# newline has both escaped, and a backslash before it.
changed_files() {
  local line
  if is_recorded; then text /etc/kubeone/recorded/files.sha256; fi | { sha256sum --check --quiet 2>/dev/null || true; } |
    while IFS= read -r line; do
      line=${line%: FAILED*}
      if [[ $line == \\* ]]; then printf -v line '%b' "${line:1}"; fi
      printf '%s\0' "$line"
    done | strings
}

# is_recorded: whether there is a record of kubeadm's files, and it is whole.
is_recorded() {
  local record=/etc/kubeone/recorded/files.sha256
  [[ -e $record && -z $(damage "$record") ]] &&
    ! grep --quiet --invert-match --extended-regexp '^\\?[0-9a-f]{64} [ *]/' "$record"
}

# unrecorded: whether there is a node here and no record of kubeadm's files: what lets kubeadm write them has not ended.
unrecorded() {
  if [[ -e /etc/kubernetes/kubelet.conf ]] && ! is_recorded; then printf true; else printf false; fi
}

# renewal_begun: the certificates whose renewal is not complete; `?` where it is not known which.
renewal_begun() {
  if [[ $(damage /etc/kubeone/renewal) ]]; then printf '?\n'; else text /etc/kubeone/renewal; fi | lines
}

# kubelet_settings: the file with them, or what can be in none.
kubelet_settings() {
  local settings=/etc/kubeone/kubelet.conf.d/settings.conf
  if [[ $(damage "$settings") ]]; then quote damaged; else quote "$(text "$settings")"; fi
}

# unusable_files: the files of ours that decide something and cannot be used, with the reason.
unusable_files() {
  local file reason
  for file in /etc/kubeone/renewal /etc/kubeone/recorded/files.sha256 /etc/kubeone/kubelet.conf.d/settings.conf \
    /etc/kubernetes/kubeone-restore/what /etc/kubernetes/kubeone-restore/replaced; do
    reason=$(damage "$file")
    if [[ $reason ]]; then member "$file" "$(quote "$reason")"; fi
  done | object
}

# disabled_services: those of our services that are installed and do not start when the host boots.
disabled_services() {
  local service
  for service in containerd kubelet; do
    case $(systemctl is-enabled "$service.service" 2>/dev/null || true) in
      disabled | masked*) printf '%s\n' "$service" ;;
    esac
  done | lines
}

# certificate PATH: the first certificate in a PEM file, or of the client in a kubeconfig, as base64 without line breaks.
certificate() {
  local line inside=
  while read -r line; do
    case $line in
      client-certificate-data:*) base64 --decode <<<"${line#*: }" | certificate; return ;;
      '-----BEGIN CERTIFICATE-----') inside=yes ;;
      '-----END CERTIFICATE-----') return ;;
      *) if [[ $inside ]]; then printf '%s' "$line"; fi ;;
    esac
  done
}

# certificates: of every component on this host, by path. Keys in the same files are not printed.
certificates() {
  local file
  for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /etc/kubernetes/*.conf \
    /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet.crt; do
    [[ -f $file && -r $file ]] || continue
    member "$file" "$(quote "$(certificate < <(text "$file"))")"
  done | object
}

# unit_states: what became of the long steps since the last boot. A unit locks `running` while it runs.
unit_states() {
  local folder state
  for folder in /run/kubeone/*/; do
    [[ -e $folder/run-id ]] || continue
    folder=${folder%/}
    state=failed
    if ! flock --nonblock "$folder/running" true; then
      state=running
    elif [[ -e $folder/exit && $(<"$folder/exit") == 0 ]]; then
      state=succeeded
    fi
    member "${folder##*/}" "\"$state\""
  done | object
}

active() {
  if systemctl --quiet is-active "$1.service"; then printf true; else printf false; fi
}

# etcd_members: the answer of this host's etcd member to a member list, empty when there is none.
etcd_members() {
  local pki=/etc/kubernetes/pki/etcd
  if [[ -r $pki/healthcheck-client.key ]]; then
    curl --silent --fail --max-time 1 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
      --key "$pki/healthcheck-client.key" --data '{"linearizable":false}' \
      https://localhost:2379/v3/cluster/member/list | head -c 1048576 || true
  fi
}

# api_server_is_ready: whether this host's own one is. Where nobody may ask that without a name, any answer will do.
api_server_is_ready() {
  local port status
  port=$(sed -n 's/^ *- --secure-port=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
  port=${port:-6443}
  status=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 1 --cacert /etc/kubernetes/pki/ca.crt \
    --resolve "kubernetes.default:$port:127.0.0.1" "https://kubernetes.default:$port/readyz") || return 1
  [[ $status == 200 || $status == 40[13] ]]
}

# is_up: whether everything runs that starts with this node.
is_up() {
  local manifests=/etc/kubernetes/manifests
  systemctl --quiet is-active kubelet.service || return 1
  if [[ -e $manifests/etcd.yaml && -z $(etcd_members) ]]; then return 1; fi
  if [[ -e $manifests/kube-apiserver.yaml ]]; then api_server_is_ready; fi
}

# started_lately: whether this host started less than a minute ago.
started_lately() {
  local age
  age=$(ps -o etimes= -p 1 2>/dev/null) && ((age < 60))
}

# await_start: right after a start, what is not up yet is on its way, and no damage.
await_start() {
  local deadline=$((SECONDS + 20))
  [[ -e /etc/kubernetes/kubelet.conf ]] || return 0
  while ((SECONDS < deadline)) && started_lately && ! is_up; do
    sleep 0.5
  done
}

# snapshots: descriptions of etcd's snapshots, and whether the snapshot itself is on this host.
snapshots() {
  local file
  for file in /var/backups/kubeone/*.json; do
    [[ -e $file ]] || continue
    printf '{"name":%s,"held":%s,"description":%s}\n' "$(quote "$file")" "$(exists "${file%.json}.db")" "$(content "$file")"
  done | printf '[%s]' "$(joined)"
}

# restore: the restore of etcd for which this control plane was stopped; null when there is none.
restore() {
  local work=/etc/kubernetes/kubeone-restore what replaced=false
  # Manifests that are held are those of a restore, whether its note can be read or not.
  if [[ ! -e $work/what ]] && ! compgen -G "$work/held/*" >/dev/null; then
    printf null
    return
  fi
  what=$(text "$work/what")
  if [[ -e $work/replaced && ! -e /var/lib/etcd/kubeone-new && $(text "$work/replaced") == "$what" ]]; then replaced=true; fi
  printf '{"what":%s,"replaced":%s}' "$(quote "$what")" "$replaced"
}

await_start
object <<END
"hostname":$(quote "$(uname -n)")
"machine_id":$(quote "$(text /etc/machine-id)")
"os":$(operating_system)
"architecture":$(architecture)
"clock":$(quote "$(date --utc +%Y-%m-%dT%H:%M:%SZ)")
"kernel":$(quote "$(uname -r)")
"cgroup":$(cgroup_version)
"cpus":$(nproc)
"memory_mib":$(memory_mib)
"swap_active":$(swap_active)
"free_disk_mib":$(free_disk_mib)
"marker":$(content /etc/kubeone/cluster.json)
"packages":$(package_versions)
"containerd_offered":$(containerd_offered)
"damaged":$(damaged)
"containerd_active":$(active containerd)
"kubelet_active":$(active kubelet)
"kubernetes":$(kubernetes_files)
"manifests":$(manifests)
"files":$(file_hashes)
"modes":$(file_modes)
"configured":$(configured)
"unfinished":$(unfinished)
"units":$(unit_states)
"certificates":$(certificates)
"renewal_begun":$(renewal_begun)
"changed_files":$(changed_files)
"unrecorded":$(unrecorded)
"disabled_services":$(disabled_services)
"etcd_members":$(quote "$(etcd_members)")
"kubelet_settings":$(kubelet_settings)
"snapshots":$(snapshots)
"restore":$(restore)
"unusable_files":$(unusable_files)
END
