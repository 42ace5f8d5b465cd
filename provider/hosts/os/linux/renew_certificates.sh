# Renews certificates of this control plane. It needs no Kubernetes API: the CAs are on this host. Certificates that have
# ended already are renewed all the same. Nothing uses the new ones before it is restarted: restart_components.sh.
# Variables: CERTIFICATES (kubeadm's names, one per line), CONFIG (kubeadm's configuration).
# Leaves behind: /etc/kubeone/renewal with CERTIFICATES, until everything was restarted. Safe to run twice.

mkdir -p /etc/kubeone
printf '%s\n' "$CERTIFICATES" >/etc/kubeone/renewal.new
mv /etc/kubeone/renewal.new /etc/kubeone/renewal

config=$(mktemp)
trap 'rm -f "$config"' EXIT
printf '%s' "$CONFIG" >"$config"
while read -r certificate; do
  kubeadm certs renew "$certificate" --config "$config"
done <<<"$CERTIFICATES"
