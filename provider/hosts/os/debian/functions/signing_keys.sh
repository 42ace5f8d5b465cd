# Lets apt trust a repository only through a signing key whose fingerprint is known beforehand. Needs curl and gpg.
# Variables: SIGNING_KEYS (lines of path, URL, and the fingerprints that the key may have, separated by commas).
# Leaves behind: the keys, and nothing else of the files that were downloaded. Safe to run twice.

# Upstream prolongs its keys under the same fingerprint: one that expires within this many seconds is fetched again.
soon=$((30 * 24 * 60 * 60))

# gpg_with KEYRING ARGUMENT...: gpg with a keyring of its own in this folder, without agent and questions.
gpg_with() {
  local keyring=$1
  shift
  gpg --homedir "$keyring" --no-options --batch --quiet --no-tty --no-autostart --no-auto-check-trustdb "$@" 2>/dev/null
}

# primary_keys FILE KEYRING: takes the keys in FILE into an empty keyring, and prints fingerprint, validity and end of each
# primary key. It fails where gpg does not take all that the file holds.
primary_keys() {
  local record validity end fingerprint primary=
  mkdir -m 700 "$2"
  gpg_with "$2" --import "$1" || return 1
  while IFS=: read -r record validity _ _ _ _ end _ _ fingerprint _; do
    case $record in
      pub) primary="$validity $end" ;;
      fpr)
        if [[ $primary ]]; then printf '%s %s\n' "$fingerprint" "$primary"; fi
        primary=
        ;;
    esac
  done < <(gpg_with "$2" --list-keys --with-colons)
}

# judge_keys FILE KEYRING FINGERPRINTS: prints `right`, `expiring`, `expired`, `revoked`, `unknown` or `unreadable`, and the
# fingerprints of all primary keys in FILE. The worst of them decides.
judge_keys() {
  local keys fingerprint validity end found='' unknown='' revoked='' verdict=right now
  now=$(date +%s)
  if [[ ! -s $1 ]] || ! keys=$(primary_keys "$1" "$2") || [[ -z $keys ]]; then
    printf 'unreadable\n'
    return
  fi
  while read -r fingerprint validity end; do
    found+=${found:+,}$fingerprint
    if [[ ",$3," != *",$fingerprint,"* ]]; then unknown=yes; fi
    if [[ $validity == [rdi] ]]; then revoked=yes; fi
    if [[ $end ]] && ((end <= now)); then
      verdict=expired
    elif [[ $end && $verdict == right ]] && ((end <= now + soon)); then
      verdict=expiring
    fi
  done <<<"$keys"
  if [[ $revoked ]]; then verdict=revoked; fi
  if [[ $unknown ]]; then verdict=unknown; fi
  printf '%s %s\n' "$verdict" "$found"
}

# download_key URL FILE: over HTTPS and nothing else, whatever it is redirected to.
download_key() {
  curl --proto '=https' --proto-redir '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --max-time 60 \
    --max-filesize 1048576 --output "$2" "$1"
}

# take_key PATH URL FINGERPRINTS FILE: lets apt use the key in FILE, which came from URL, or says why not.
take_key() {
  local verdict found
  read -r verdict found < <(judge_keys "$4" "$4.keyring" "$3")
  case $verdict in
    right | expiring) ;;
    unknown)
      printf 'the signing key at %s is not a known one: found %s, known is %s; nothing was installed (a key of a mirror is allowed by packages.signing_key_fingerprints)\n' \
        "$2" "${found//,/ and }" "${3//,/ or }" >&2
      return 1
      ;;
    unreadable)
      printf 'the file at %s holds no OpenPGP key that gpg can read; nothing was installed\n' "$2" >&2
      return 1
      ;;
    *)
      printf 'the signing key %s at %s is %s, and there is no newer one; nothing was installed\n' "$found" "$2" "$verdict" >&2
      return 1
      ;;
  esac
  # What gpg has read of it, so that apt cannot find more in the file than was judged.
  gpg_with "$4.keyring" --armor --export-options export-minimal --export >"$1.new" || return 1
  if cmp --quiet "$1.new" "$1"; then
    rm "$1.new"
  else
    # shellcheck disable=SC2034  # its caller's caller reads it
    keys_changed=yes
    chmod 644 "$1.new" && sync "$1.new" && mv "$1.new" "$1" && sync "${1%/*}"
  fi
}

# install_signing_keys: sees to it that each key is there, is a known one and has not expired. Those that are not right are
# fetched, side by side. Sets `keys_changed` to `yes` when one of them is another one now.
install_signing_keys() {
  local path url fingerprints verdict name number folder verdicts=() downloads=()
  # shellcheck disable=SC2034  # its caller reads it
  keys_changed=no
  folder=$(mktemp --directory)
  while read -r path url fingerprints; do
    name=$folder/${#verdicts[@]}
    mkdir -p "${path%/*}"
    read -r verdict _ < <(judge_keys "$path" "$name.present" "$fingerprints")
    verdicts+=("$verdict")
    if [[ $verdict == right ]]; then
      downloads+=('')
    else
      (trap - ERR; download_key "$url" "$name" 2>"$name.error") &
      downloads+=($!)
    fi
  done <<<"$SIGNING_KEYS"
  number=0
  while read -r path url fingerprints; do
    name=$folder/$number
    verdict=${verdicts[number]}
    if [[ $verdict != right ]]; then
      if wait "${downloads[number]}"; then
        take_key "$path" "$url" "$fingerprints" "$name" || { rm -rf --one-file-system -- "$folder"; return 1; }
      elif [[ $verdict != expiring ]]; then
        printf 'the signing key at %s cannot be fetched: %s\n' "$url" "$(<"$name.error")" >&2
        rm -rf --one-file-system -- "$folder"
        return 1
      fi
    fi
    number=$((number + 1))
  done <<<"$SIGNING_KEYS"
  rm -rf --one-file-system -- "$folder"
}
