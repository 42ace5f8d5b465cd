# Records kubeadm's files on this host: observe.sh tells from the record when one was edited or removed, and
# restore_files.sh puts it back. Whoever lets kubeadm write them anew runs this at its end; and if the work has several
# parts, removes files.sha256 before the first, so that nobody takes half of it for damage.
# Functions: durable.
# Variables: none.
# Leaves behind: /etc/kubeone/recorded with files.sha256 and copies of the files. Safe to run twice.

recorded=/etc/kubeone/recorded
files=()
for file in /etc/kubernetes/manifests/{etcd,kube-apiserver,kube-controller-manager,kube-scheduler}.yaml \
  /var/lib/kubelet/{config.yaml,instance-config.yaml,kubeadm-flags.env}; do
  if [[ -e $file ]]; then files+=("$file"); fi
done

umask 077
mkdir -p "$recorded"
# Without the list there is no record, so it goes first and comes last.
forget "$recorded/files.sha256"
# kubeadm does not care whether what it wrote is on the disk, and whoever sees the record takes it for granted.
settle /etc/kubernetes "${files[@]}" /var/lib/kubelet/pki
for file in "${files[@]}"; do
  cp --preserve=mode "$file" "$recorded/${file##*/}"
done
settle "$recorded"
sha256sum -- "${files[@]}" | write_file "$recorded/files.sha256"
# A change of the components is over when they are recorded.
forget /etc/kubeone/configuring
