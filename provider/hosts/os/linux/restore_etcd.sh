# Begins etcd anew on this host, as the only member of a new etcd, with the data of a snapshot or with its own ones, and
# starts the control plane with it. The control plane was stopped before, here and everywhere else.
# Its own data are read by an etcd of their own, which takes in all that the member had agreed on and not yet written
# into its database: a copy of the database alone would lack that where etcd was not ended in good order.
# The data before are kept as /var/lib/etcd/before-restore, until the next restore.
# Functions: control_plane_health, durable, etcd_tools, static_pods.
# Variables: WHAT (what is restored), SNAPSHOT (path of the snapshot; empty for the data of this host), SHA256 (of the
#   snapshot), API_PORT (of the API server on this host).
# Leaves behind: a running control plane; /etc/kubernetes/kubeone-restore until end_restore.sh. Safe to run twice: what was
#   cut off is completed, and data that were put in place once are not put in place again.

manifests=/etc/kubernetes/manifests
work=/etc/kubernetes/kubeone-restore
held=$work/held
# Says for what the new data are, from the moment when they are complete.
mark=$work/replaced
data=/var/lib/etcd
new=$data/kubeone-new
before=$data/before-restore
patience=150

# of_manifest PATTERN: what stands behind it in the manifest of etcd.
of_manifest() {
  sed -n "s/^ *$1 *//p" "$held/etcd.yaml" | head -n 1
}

is_replaced() {
  [[ -e $mark && ! -e $new ]]
}

# own_data: the folder `member` with the data that this host had before the restore.
own_data() {
  if is_replaced || [[ ! -e $data/member ]]; then
    printf '%s' "$before"
  else
    printf '%s' "$data/member"
  fi
}

# read_own_data FOLDER FILE: a snapshot of the data of this host, read from a copy.
read_own_data() {
  local own
  own=$(own_data)
  make_room "$data" $(($(stat --format=%s "$own/snap/db") * 4 + 268435456))
  mkdir "$1"
  cp --archive "$own" "$1/member"
  with_etcd "$1" --force-new-cluster own_etcdctl "$1" snapshot save "$2"
}

# highest_revision: of the data that were served on this host before.
highest_revision() {
  local first second
  first=$(revision_of "$data/member/snap/db")
  second=$(revision_of "$before/snap/db")
  printf '%d' $((first > second ? first : second))
}

make_data() {
  local source=$SNAPSHOT build=$data/kubeone-build
  rm -rf --one-file-system "$build"
  mkdir "$build"
  if [[ -z $SNAPSHOT ]]; then
    source=$build/own.db
    read_own_data "$build/own" "$source"
  else
    verify "$SNAPSHOT" "$SHA256"
    make_room_for "$data" "$SNAPSHOT"
  fi
  new_member "$source" "$build/data" "$(of_manifest '- --name=')" \
    "$(of_manifest '- --initial-advertise-peer-urls=')" "$(highest_revision)"
  sync --file-system "$build"
  # What is there may be restored data already, of a restore that was given up: then the data before stay those before.
  if is_replaced; then rm -rf --one-file-system "${data:?}/member"; fi
  rm -rf --one-file-system "$mark" "$new"
  mv "$build/data/member" "$new"
  rm -rf --one-file-system "$build"
  # The mark may lie on another disk, and must not outlive a power cut that the data do not.
  sync --file-system "$data"
  printf '%s\n' "$WHAT" | write_file "$mark"
}

replace_data() {
  if [[ -e $data/member ]]; then
    rm -rf --one-file-system "$before"
    mv "$data/member" "$before"
  fi
  mv --no-target-directory "$new" "$data/member"
  sync --file-system "$data"
}

# give_back NAME: gives a manifest to the kubelet.
give_back() {
  if [[ -e $held/$1.yaml ]]; then mv "$held/$1.yaml" "$manifests/"; fi
}

umask 077
if ! [[ -e $mark && $(<"$mark") == "$WHAT" ]]; then
  await 'etcd has ended' "$patience" ended etcd ''
  if [[ -e $manifests/etcd.yaml || ! -e $held/etcd.yaml ]]; then
    echo 'etcd was not stopped on this host' >&2
    exit 1
  fi
  mount_tools "$(of_manifest image:)"
  make_data
fi
if [[ -e $new ]]; then
  await 'etcd has ended' "$patience" ended etcd ''
  replace_data
fi

give_back etcd
# A kubelet that lost its API server long ago, or whose Node is not among the data, begins anew.
if ! etcd_is_well || ! api_server_is_ready; then systemctl restart kubelet; fi
await 'etcd is well' "$patience" etcd_is_well
give_back kube-apiserver
await 'the API server is ready' "$patience" api_server_is_ready
for name in kube-controller-manager kube-scheduler; do give_back "$name"; done
