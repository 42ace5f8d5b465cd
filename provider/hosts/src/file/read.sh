# Reads files.
# Variables: PATHS (one per line).
# Prints for each path `absent`, or `content ` and the content in base64. Leaves nothing behind. Safe to run twice.

while IFS= read -r path; do
  if [[ -e $path ]]; then
    encoded=$(base64 -w0 -- "$path")
    printf 'content %s\n' "$encoded"
  else
    echo absent
  fi
done <<<"$PATHS"
