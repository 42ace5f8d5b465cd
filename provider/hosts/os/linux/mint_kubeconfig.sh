# Prints a kubeconfig with a new client certificate, signed by the CA of the cluster on this control plane. The key is
# made in memory and comes to no disk.
# Variables: CONFIG (kubeadm's configuration without a version), CLIENT_NAME, GROUPS_OF_CLIENT (one per line),
# VALIDITY (in Go's notation).
# Leaves nothing behind. Safe to run twice: each run makes another key.

if [[ ! -r /etc/kubernetes/pki/ca.key ]]; then
  echo "the key of the cluster's CA (/etc/kubernetes/pki/ca.key) is not on this host" >&2
  exit 1
fi
arguments=()
while read -r group; do
  if [[ $group ]]; then arguments+=(--org "$group"); fi
done <<<"$GROUPS_OF_CLIENT"
# Without a version kubeadm would ask the internet for one.
version=$(kubeadm version --output short)
kubeadm kubeconfig user --config <(printf '%s\nkubernetesVersion: %s\n' "$CONFIG" "$version") \
  --client-name "$CLIENT_NAME" --validity-period "$VALIDITY" "${arguments[@]}"
