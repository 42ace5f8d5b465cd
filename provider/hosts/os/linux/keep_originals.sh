# Keeps copies of files that others wrote on this host, before ours take their place; remove_configuration.sh puts them
# back. For a host that is not ours yet: on any other these files are ours already.
# Functions: durable.
# Variables: FILES (paths, one per line; those that do not exist will not exist again).
# Leaves behind: /etc/kubeone/originals. Safe to run twice.

originals=/etc/kubeone/originals
umask 077
mkdir -p "$originals"
while read -r file; do
  if [[ -e $file ]]; then
    mkdir -p "$originals${file%/*}"
    cp --preserve=all "$file" "$originals$file"
  fi
done <<<"$FILES"
settle "$originals"
