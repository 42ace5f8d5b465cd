# Checks a snapshot before etcd is restored from it, and the room that this needs. Where it was sent in parts, it is put
# together first.
# Functions: durable, etcd_tools.
# Variables: SNAPSHOT (its path), PARTS (paths of the parts in which it was sent, one per line; may be empty), SHA256 (of the
#   snapshot).
# Leaves behind: the snapshot, and /var/lib/etcd if there was none. Safe to run twice.

data=/var/lib/etcd

put_together() {
  local part
  while read -r part; do cat "$part"; done <<<"$PARTS" >"$SNAPSHOT.new"
  replace "$SNAPSHOT.new" "$SNAPSHOT"
  while read -r part; do rm -f "$part"; done <<<"$PARTS"
}

umask 077
if [[ -n $PARTS && ! -e $SNAPSHOT ]]; then put_together; fi
verify "$SNAPSHOT" "$SHA256"
mkdir -p "$data"
make_room_for "$data" "$SNAPSHOT"
