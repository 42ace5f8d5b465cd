# Removes snapshots of etcd that are not kept any more, what an interrupted one left behind, and one that was sent here for
# a restore that never began.
# Variables: CLUSTER (its name), KEEP (names of snapshots that stay, one per line), REMEMBER (names of snapshots of which
#   only the description stays, one per line).
# Leaves behind: /var/backups/kubeone with the rest. Files that have not the name of a snapshot of this cluster are not
# touched. Safe to run twice.

# names NAME LIST: whether the list has a line with this name.
names() {
  grep --quiet --line-regexp --fixed-strings -- "$1" <<<"$2"
}

for file in /var/backups/kubeone/"$CLUSTER"-*; do
  name=${file##*/}
  kind=${name##*.}
  name=${name%.*}
  if [[ ! ${name#"$CLUSTER"-} =~ ^[0-9]{8}T[0-9]{6}Z-r[0-9]+-v[0-9.]+$ || ! $kind =~ ^(db|json)$ ]]; then
    continue
  fi
  if names "$name" "$KEEP" || { [[ $kind == json ]] && names "$name" "$REMEMBER"; }; then
    continue
  fi
  rm -f -- "$file"
done
rm -rf --one-file-system /var/backups/kubeone/incoming
