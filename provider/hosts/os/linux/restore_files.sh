# Puts kubeadm's files back as record_files.sh found them.
# Functions: durable.
# Variables: FILES (paths, one per line).
# Leaves behind: the files. Safe to run twice. It fails when a copy is not what was recorded.

recorded=/etc/kubeone/recorded
while read -r file; do
  copy=$recorded/${file##*/}
  hash=$(sed -n "s|  $file\$||p" "$recorded/files.sha256")
  if ! sha256sum --check --status <<<"$hash  $copy"; then
    printf '%s: the copy in %s is damaged, too\n' "$file" "$recorded" >&2
    exit 1
  fi
  # The kubelet reads whatever lies among the manifests, so the file is made elsewhere and comes in one move.
  new=$file.restored
  if [[ $file == */manifests/* ]]; then new=/etc/kubernetes/${file##*/}.restored; fi
  mkdir -p "${file%/*}"
  cp --preserve=mode "$copy" "$new"
  replace "$new" "$file"
done <<<"$FILES"
