# Takes a snapshot of etcd from the member on this host and verifies it.
# Functions: durable, etcd_tools.
# Variables: CLUSTER (its name).
# Prints, as its last line, one JSON object that describes the snapshot.
# Leaves behind: the snapshot as /var/backups/kubeone/NAME.db, for root only. It counts once the file NAME.json lies
# beside it, which the caller writes. Safe to run twice: each run takes one snapshot.

folder=/var/backups/kubeone
pki=/etc/kubernetes/pki/etcd
umask 077

# image_of POD: the image of a static pod on this host.
image_of() {
  sed -n 's/^ *image: *//p' "/etc/kubernetes/manifests/$1.yaml"
}

# field NAME: a number or text out of one JSON object on stdin.
field() {
  sed -nE "s/.*\"$1\":\"?([^,\"}]*).*/\\1/p"
}

# free FOLDER: bytes that are free where it lies.
free() {
  df --output=avail --block-size=1 "$1" | tail -n 1
}

mkdir -p "$folder"
chmod 700 "$folder"
mount_tools "$(image_of etcd)"

needed=$(stat --format=%s /var/lib/etcd/member/snap/db)
if (($(free "$folder") < needed * 2)); then
  printf 'the file system of %s has %d bytes left, and etcd holds %d\n' "$folder" "$(free "$folder")" "$needed" >&2
  exit 1
fi

new=$folder/.new.db
rm -f "$new" "$new.part"
if ! answer=$(etcd_tool etcdctl --endpoints=https://127.0.0.1:2379 --cacert="$pki/ca.crt" \
  --cert="$pki/healthcheck-client.crt" --key="$pki/healthcheck-client.key" snapshot save "$new" 2>&1); then
  printf '%s\n' "$answer" >&2
  exit 1
fi

# etcd ends a snapshot with the SHA-256 of all before it.
stated=$(tail --bytes=32 "$new" | od --address-radix=n --format=x1 | tr --delete ' \n')
found=$(head --bytes=-32 "$new" | sha256sum)
if [[ $stated != "${found%% *}" ]]; then
  echo 'the snapshot is damaged: its checksum is not that of its content' >&2
  exit 1
fi
status=$(etcd_tool etcdutl snapshot status --write-out=json "$new")
revision=$(field revision <<<"$status")
if [[ ! $revision =~ ^[0-9]+$ ]]; then
  printf 'the snapshot cannot be read: %s\n' "$status" >&2
  exit 1
fi
version=$(image_of kube-apiserver)
version=${version##*:v}
etcd_version=$(image_of etcd)
seconds=$(date +%s)
name=$CLUSTER-$(date --utc --date="@$seconds" +%Y%m%dT%H%M%SZ)-r$revision-v$version
sha256=$(sha256sum <"$new")
size=$(stat --format=%s "$new")
replace "$new" "$folder/$name.db"
printf '{"name":"%s","taken_at":"%s","revision":%d,"size":%d,"sha256":"%s","kubernetes_version":"%s","etcd_version":"%s"}\n' \
  "$name" "$(date --utc --date="@$seconds" +%Y-%m-%dT%H:%M:%SZ)" "$revision" "$size" "${sha256%% *}" "$version" \
  "${etcd_version##*:}"
