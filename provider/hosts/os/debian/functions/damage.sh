# Finds packages that an interrupted dpkg or a power cut left in pieces.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# is_blank FILE: whether nothing was written to it, or nothing but zeros: what file systems show after a power cut.
is_blank() {
  [[ ! -s $1 || -z $(head --bytes=4096 "$1" | tr --delete '\0') ]]
}

# is_damage ATTRIBUTE PATH: whether what `dpkg --verify` says of a file is damage. Configuration files belong to the
# administrator, documentation may be left out, units may be edited, and network addons bring newer plugins.
is_damage() {
  [[ $1 != c ]] || return 1
  case $2 in
    /opt/cni/bin/* | */systemd/system/*) is_blank "$2" ;;
    */bin/* | */sbin/*) return 0 ;;
    *) return 1 ;;
  esac
}

# damaged_files PACKAGE: those of its files that are not what was installed.
damaged_files() {
  local line
  # Nine signs for what differs, a blank, the attribute, a blank, the path.
  while IFS= read -r line; do
    if is_damage "${line:10:1}" "${line:12}"; then printf '%s\n' "${line:12}"; fi
  done < <(dpkg --verify "$1")
}

# damaged_packages PACKAGE...: those of them that are half installed, or have damaged files. One that is not there is not
# damaged.
damaged_packages() {
  local package state
  for package; do
    state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || continue
    case $state in
      not-installed | config-files) ;;
      installed | triggers-*) if [[ -n $(damaged_files "$package") ]]; then printf '%s\n' "$package"; fi ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}
