# Reads files.
# Variables: PATHS (one per line), LARGEST (bytes that a file may have).
# Prints for each path `absent`, `content ` and the content in base64, `large ` and the bytes of a file that has more, or
# `other` for what is no file. Leaves nothing behind. Safe to run twice.

while IFS= read -r path; do
  if [[ -f $path ]]; then
    size=$(stat --dereference --format=%s -- "$path")
    if ((size > LARGEST)); then
      printf 'large %d\n' "$size"
    else
      # What grows meanwhile is cut.
      encoded=$(head -c "$LARGEST" -- "$path" | base64 -w0)
      printf 'content %s\n' "$encoded"
    fi
  elif [[ -e $path || -L $path ]]; then
    echo other
  else
    echo absent
  fi
done <<<"$PATHS"
