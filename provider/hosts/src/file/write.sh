# Writes files in one move each: a temporary file beside it, then a rename.
# Variables: none. Stdin: for each file a line with the path, a line with mode, SHA-256 and size, then the content.
# Prints for each file `changed` or `same`. Leaves behind: the files, owned by root. Safe to run twice.

umask 022
while IFS= read -r path; do
  IFS=' ' read -r mode sha256 size
  if [[ -f $path && ! -L $path ]] && sha256sum --check --status <<<"$sha256  $path" &&
    [[ $(stat -c '%a %u:%g' -- "$path") == "$mode 0:0" ]]; then
    head -c "$size" >/dev/null
    echo same
    continue
  fi
  directory=${path%/*}
  mkdir -p -- "$directory/"
  # The leading dot hides the unfinished file from the kubelet and from run-parts.
  temporary=$(mktemp -- "$directory/.kubeone.XXXXXXXX")
  trap 'rm -f -- "$temporary"' EXIT
  head -c "$size" >"$temporary"
  # A connection that was cut leaves a shorter content.
  sha256sum --check --status <<<"$sha256  $temporary"
  chmod -- "$mode" "$temporary"
  chown -- 0:0 "$temporary"
  mv -fT -- "$temporary" "$path"
  trap - EXIT
  echo changed
done
