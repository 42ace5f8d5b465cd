# Functions for work with the programs in etcd's own image: on an etcd that runs, and on the data of one that does not.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

# mount_tools IMAGE: makes etcd's programs available below $tools until the script ends. They need nothing around them, so
# they run here, as what they are. containerd 2.2 never forgets where an image was mounted, and refuses the same place a
# second time.
mount_tools() {
  tools=/run/kubeone/etcd-image.$(date +%s%N)
  mkdir -p "$tools"
  trap unmount_tools EXIT
  ctr --namespace k8s.io images mount "$1" "$tools" >/dev/null
}

# etcd_tool NAME ARGUMENT...: runs one of them.
etcd_tool() {
  local name=$1
  shift
  "$tools/usr/local/bin/$name" "$@"
}

unmount_tools() {
  if mountpoint --quiet "$tools"; then
    umount "$tools"
  fi
  ctr --namespace k8s.io snapshots remove "$tools" >/dev/null 2>&1 || true
  rmdir "$tools"
}

# with_etcd FOLDER OPTIONS COMMAND...: runs a command while an etcd of its own serves the data in a folder. It is reached
# through a socket in that folder alone, so that nobody else can: the command finds it as `own_etcdctl`.
with_etcd() {
  local folder=$1 options=$2 etcd status=0 deadline=$((SECONDS + 60))
  shift 2
  # shellcheck disable=SC2086  # options are words
  (cd "$folder" && exec "$tools/usr/local/bin/etcd" --name kubeone --data-dir . $options \
    --listen-client-urls unix://client.sock --advertise-client-urls http://127.0.0.1:1 \
    --listen-peer-urls unix://peer.sock) >"$folder/log" 2>&1 &
  etcd=$!
  until own_etcdctl "$folder" endpoint health >/dev/null 2>&1; do
    if ((SECONDS >= deadline)) || ! kill -0 "$etcd" 2>/dev/null; then
      printf 'an etcd with the data in %s did not get well; its last words:\n' "$folder" >&2
      tail -n 3 "$folder/log" >&2
      kill "$etcd" 2>/dev/null || true
      return 1
    fi
    sleep 0.1
  done
  "$@" || status=$?
  kill "$etcd"
  wait "$etcd" 2>/dev/null || true
  rm -f "$folder/client.sock" "$folder/peer.sock" "$folder/log"
  return "$status"
}

# own_etcdctl FOLDER ARGUMENT...: asks the etcd that serves the data in the folder.
own_etcdctl() {
  local folder=$1
  shift
  (cd "$folder" && etcd_tool etcdctl --endpoints unix://client.sock --command-timeout 300s "$@")
}

# new_member SNAPSHOT FOLDER NAME PEER_URL REVISION: makes etcd data from a snapshot, with this member as the only one. Its
# cluster gets a new id, so members of an earlier cluster are never taken for its own. Its revision goes ahead of every
# revision that a client may have seen (REVISION and later), and everything older counts as compacted, so that all watches
# start over. A client that has seen a later revision would wait for it forever.
new_member() {
  etcd_tool etcdutl snapshot restore "$1" --data-dir "$2" --name "$3" --initial-cluster "$3=$4" \
    --initial-advertise-peer-urls "$4" --initial-cluster-token "kubeone-$3-$(date +%s%N)" \
    --bump-revision "$(bump "$1" "$5")" --mark-compacted 2>&1
}

# bump SNAPSHOT REVISION: by how much the revision of the snapshot is raised. The highest revision on this host is not
# enough: another control plane may have restored since and served later ones. So the clock counts as well: each restore
# lands beyond all earlier ones as long as no etcd makes 100,000 revisions a second. The result is a distance to a target
# and not a sum, so it does not double with each restore.
bump() {
  local own target clock
  own=$(revision_of "$1")
  target=$(($2 + 1000000000))
  clock=$(($(date +%s) * 100000))
  if ((target < clock)); then target=$clock; fi
  if ((target < own + 1000000000)); then target=$((own + 1000000000)); fi
  printf '%d' $((target - own))
}

# revision_of DATABASE: the revision of the data in it; 0 when there are none.
revision_of() {
  local revision=
  if [[ -e $1 ]]; then
    revision=$(etcd_tool etcdutl snapshot status --write-out=json "$1" |
      sed -n 's/.*"revision":\([0-9]*\).*/\1/p') || true
  fi
  printf '%d' "$((revision))"
}

# verify FILE SHA256: fails when the content is another one.
verify() {
  local found
  found=$(sha256sum <"$1")
  if [[ ${found%% *} != "$2" ]]; then
    printf '%s is damaged: its SHA-256 is %s, and not %s; use another snapshot, or a copy of this one\n' "$1" \
      "${found%% *}" "$2" >&2
    return 1
  fi
}

# make_room FOLDER BYTES: fails when less is free where the folder lies.
make_room() {
  local free
  free=$(df --output=avail --block-size=1 "$1" | tail -n 1)
  if ((free < $2)); then
    printf 'the file system of %s has %d bytes left, and %d are needed: make room there and apply again\n' "$1" "$free" \
      "$2" >&2
    return 1
  fi
}

# make_room_for FOLDER SNAPSHOT: the same, for data of etcd that are made of a snapshot.
make_room_for() {
  make_room "$1" $(($(stat --format=%s "$2") * 2 + 268435456))
}
