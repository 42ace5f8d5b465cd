# Functions that bring managed files from the staging tree to their places, and keep what was there until all is well. The new
# content of /etc/x is in /etc/kubeone/staged/etc/x, with the mode that it will have.
# Variables: BEFORE (folder of the files before, one for each script that changes some; a run that was interrupted leaves it).
# Leaves behind: the files; BEFORE until it is forgotten. Safe to run twice: what an interrupted run kept is older, and stays.

staged=/etc/kubeone/staged
# Nothing that reads a whole folder takes a file of this name for its own.
unfinished=.kubeone.incoming

# can_be_managed PATH: whether it is a plain path below a folder with managed files, and no link leads elsewhere.
can_be_managed() {
  local folder=${1%/*}
  if [[ ! $1 =~ ^/etc/(kubernetes|kubeone|containerd|systemd/system|modules-load\.d|sysctl\.d|apt)/ ||
    $1 =~ ^/etc/(kubernetes/manifests|kubeone/(staged|before|recorded))/ || $1 == *//* || $1 =~ /\.\.?(/|$) ||
    $1 == */ || $1 == *[[:cntrl:]]* ]]; then
    printf '%q is not the path of a managed file\n' "$1" >&2
    return 1
  fi
  while [[ $folder ]]; do
    if [[ -L $folder ]]; then
      printf '%s is a link, and nothing is written through it: replace it by a folder and apply again\n' "$folder" >&2
      return 1
    fi
    folder=${folder%/*}
  done
  if [[ -e $1 && ! -f $1 ]]; then
    printf '%s is there, and no file: remove it and apply again\n' "$1" >&2
    return 1
  fi
}

# is_staged PATH: whether there is new content for it, and it may be managed.
is_staged() {
  can_be_managed "$1" || return 1
  if [[ -L $staged$1 || ! -f $staged$1 ]]; then
    printf '%s has no new content in %s\n' "$1" "$staged" >&2
    return 1
  fi
}

# stage_differs PATH: whether the file is another one than the staged one, in content, mode or owner. A link has a mode of its own.
stage_differs() {
  [[ ! -f $1 ]] || ! cmp --silent -- "$staged$1" "$1" ||
    [[ $(stat --format '%a %u:%g' -- "$1") != "$(stat --format '%a' -- "$staged$1") 0:0" ]]
}

# make_folder FOLDER: makes it and what is missing above it. Only root looks into what lies below /etc/kubernetes.
make_folder() {
  local mode=755
  if [[ -d $1 ]]; then return; fi
  make_folder "${1%/*}" || return 1
  if [[ $1 == /etc/kubernetes/* ]]; then mode=700; fi
  mkdir --mode "$mode" -- "$1" && sync -- "${1%/*}"
}

# copy FILE PATH: durably, and in one move.
copy() {
  local new=${2%/*}/$unfinished
  make_folder "${2%/*}" && rm -f -- "$new" && cp --preserve=mode,ownership -- "$1" "$new" && replace "$new" "$2"
}

# keep PATH...: keeps what is there, or the note that nothing is, unless an interrupted run did.
keep() {
  local path
  (umask 077 && mkdir -p "$BEFORE/absent") || return 1
  for path; do
    if [[ -e $BEFORE$path || -e $BEFORE/absent$path ]]; then continue; fi
    if [[ -e $path ]]; then
      copy "$path" "$BEFORE$path" || return 1
    else
      make_folder "$BEFORE/absent${path%/*}" && touch "$BEFORE/absent$path" || return 1
    fi
  done
  settle "$BEFORE" && sync -- "${BEFORE%/*}" "${BEFORE%/*/*}"
}

# put_staged PATH...: each file takes the place of the present one, once all present ones are kept.
put_staged() {
  local path differing=()
  for path; do
    is_staged "$path" || return 1
    if stage_differs "$path"; then differing+=("$path"); fi
  done
  if ((${#differing[@]} == 0)); then return; fi
  keep "${differing[@]}" || return 1
  for path in "${differing[@]}"; do copy "$staged$path" "$path" || return 1; done
}

# remove_managed PATH...: removes files, and what is staged for them, once all are kept.
remove_managed() {
  local path present=()
  for path; do
    can_be_managed "$path" || return 1
    if [[ -e $path ]]; then present+=("$path"); fi
  done
  if ((${#present[@]} > 0)); then keep "${present[@]}" || return 1; fi
  for path; do
    forget "$path" && rm -f -- "$staged$path" || return 1
  done
}

# take_back_files: puts back what was kept, and removes what was absent. BEFORE stays until it is forgotten.
take_back_files() {
  local kept
  if [[ -d $BEFORE/etc ]]; then
    while IFS= read -r -d '' kept; do
      copy "$kept" "${kept#"$BEFORE"}" || return 1
    done < <(find "$BEFORE/etc" -xdev -type f ! -name "$unfinished" -print0)
  fi
  if [[ -d $BEFORE/absent ]]; then
    while IFS= read -r -d '' kept; do
      forget "${kept#"$BEFORE/absent"}" || return 1
    done < <(find "$BEFORE/absent" -xdev -type f -print0)
  fi
}

# forget_before: from one moment to the next nothing of it counts.
forget_before() {
  local forgotten=${BEFORE%/*}/.forgotten
  rm -rf --one-file-system "$forgotten" || return 1
  if [[ ! -e $BEFORE ]]; then return; fi
  mv --no-target-directory "$BEFORE" "$forgotten" && sync -- "${BEFORE%/*}" && rm -rf --one-file-system "$forgotten"
}
