# Writes files in one move each: a temporary file beside it, then a rename. None is renamed before the content of all of them
# is on the disk, and the renames are there too before it answers: a power cut leaves no half of a file.
# Variables: none. Stdin: for each file a line with the path, a line with mode, SHA-256 and size, then the content.
# Prints for each file `changed` or `same`. Leaves behind: the files, owned by root. Safe to run twice.

# make_folder FOLDER: makes it, and remembers whose entries are to reach the disk: its own, and those of each folder in which
# a new one lies.
make_folder() {
  local folder=$1
  folders+=("$folder/")
  while [[ ! -d $folder/ ]]; do
    folder=${folder%/*}
    folders+=("$folder/")
  done
  mkdir -p -- "$1/"
}

umask 022
paths=() temporaries=() folders=() answers=()
trap 'rm -f -- "${temporaries[@]}"' EXIT
while IFS= read -r path; do
  IFS=' ' read -r mode sha256 size
  if [[ -f $path && ! -L $path ]] && sha256sum --check --status <<<"$sha256  $path" &&
    [[ $(stat -c '%a %u:%g' -- "$path") == "$mode 0:0" ]]; then
    head -c "$size" >/dev/null
    answers+=(same)
    continue
  fi
  directory=${path%/*}
  make_folder "$directory"
  # The leading dot hides the unfinished file from the kubelet and from run-parts.
  temporary=$(mktemp -- "$directory/.kubeone.XXXXXXXX")
  temporaries+=("$temporary")
  head -c "$size" >"$temporary"
  # A connection that was cut leaves a shorter content.
  sha256sum --check --status <<<"$sha256  $temporary"
  chmod -- "$mode" "$temporary"
  chown -- 0:0 "$temporary"
  paths+=("$path")
  answers+=(changed)
done

if ((${#paths[@]} > 0)); then
  sync -- "${temporaries[@]}"
  for index in "${!paths[@]}"; do
    mv -fT -- "${temporaries[index]}" "${paths[index]}"
  done
  mapfile -t folders < <(printf '%s\n' "${folders[@]}" | sort --unique)
  sync -- "${folders[@]}"
fi
printf '%s\n' "${answers[@]}"
