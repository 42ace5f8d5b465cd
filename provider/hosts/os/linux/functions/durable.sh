# Functions for files that decide what happens next: a power cut leaves what was there before or what is new, never a part.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# replace NEW FILE: puts a new file in the place of another one, in one move, once its content is on the disk.
replace() {
  sync -- "$1" && mv --no-target-directory -- "$1" "$2" && sync -- "${2%/*}"
}

# write_file FILE: writes what is on stdin, as FILE.new first.
write_file() {
  rm -f -- "$1.new" && cat >"$1.new" && replace "$1.new" "$1"
}

# forget FILE: removes a file, for good.
forget() {
  if [[ -e $1 ]]; then rm -f -- "$1" && sync -- "${1%/*}"; fi
}

# edit FILE SED_ARGUMENT...: edits a file of the system, which keeps its owner and mode.
edit() {
  local file
  file=$(realpath -- "$1")
  cp --preserve=all -- "$file" "$file.kubeone-new" && sed --in-place "${@:2}" "$file.kubeone-new" &&
    replace "$file.kubeone-new" "$file"
}

# settle PATH...: brings files that another program wrote to the disk, and all that is below folders.
settle() {
  local path
  for path; do
    if [[ -e $path ]]; then find "$path" -xdev \( -type f -o -type d \) -exec sync -- {} +; fi
  done
}
