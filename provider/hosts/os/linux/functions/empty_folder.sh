# Functions that remove folders, and nothing that is only mounted in them.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# mounts_below FOLDER: what is mounted below it, innermost first: a path in each line, as the kernel writes it.
mounts_below() {
  local written path
  while read -r _ _ _ _ written _; do
    printf -v path '%b' "$written"
    if [[ $path == "$1"/* ]]; then printf '%s\n' "$written"; fi
  done </proc/self/mountinfo | sort --reverse
}

# unmount_below FOLDER: unmounts all of it. --one-file-system would not do in its place: a bind mount of the same file system
# looks like any other folder to rm.
unmount_below() {
  local written path mounts
  mapfile -t mounts < <(mounts_below "$1")
  for written in "${mounts[@]}"; do
    printf -v path '%b' "$written"
    umount --lazy -- "$path" || true
  done
  mapfile -t mounts < <(mounts_below "$1")
  if ((${#mounts[@]} > 0)); then
    printf '%b is mounted and cannot be unmounted: nothing is removed from %s; unmount it and apply again\n' \
      "${mounts[0]}" "$1" >&2
    return 1
  fi
}

# holds_the_system FOLDER: whether folders of the system lie in it, or it is one of them.
holds_the_system() {
  local folder
  for folder in /bin /boot /dev /etc /home /lib /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /var/backups \
    /var/lib /var/log /var/tmp; do
    folder=$(realpath --canonicalize-missing -- "$folder")
    if [[ $1 == / || $folder/ == "$1"/* ]]; then return 0; fi
  done
  return 1
}

# empty_folder FOLDER...: removes folders with what is in them. A folder that lies elsewhere, by a link or a file
# system of its own, stays and gets empty.
empty_folder() {
  local folder target
  for folder; do
    if [[ ! -e $folder ]]; then continue; fi
    target=$(realpath -- "$folder") || return 1
    if [[ -L $folder ]] && holds_the_system "$target"; then
      printf '%s leads to %s, which holds more than that: nothing is removed from it\n' "$folder" "$target" >&2
      return 1
    fi
    unmount_below "$target" || return 1
    if [[ -L $folder ]] || mountpoint --quiet "$target"; then
      find "$target" -xdev -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf --one-file-system -- {} + || return 1
    else
      rm -rf --one-file-system -- "$folder" || return 1
    fi
  done
}
