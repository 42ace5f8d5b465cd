# Renews certificates of this control plane. It needs no Kubernetes API: the CAs are on this host. Certificates that have
# ended already are renewed all the same. Nothing uses the new ones before it is restarted: restart_components.sh.
# Functions: durable, in_memory.
# Variables: CERTIFICATES (kubeadm's names, one per line), CONFIG (kubeadm's configuration), NEW_NAMES (`true`: the API
#   server's certificate is made anew, for all names in the configuration; `false`: it keeps those it has),
#   NEW_CERTIFICATES (a folder in which that is done), NAMED_CONFIG (the configuration with that folder).
# Leaves behind: /etc/kubeone/renewal with CERTIFICATES, until everything was restarted. Safe to run twice.

mkdir -p /etc/kubeone
printf '%s\n' "$CERTIFICATES" | write_file /etc/kubeone/renewal

# make_api_server_certificate: kubeadm makes none where there is one, so it does it elsewhere. When the key is replaced and
# the certificate is not yet, the names are still missing, and the next run does it again.
make_api_server_certificate() {
  local pki
  pki=$(dirname "$NEW_CERTIFICATES")
  rm -rf --one-file-system "$NEW_CERTIFICATES"
  install --directory --mode 700 "$NEW_CERTIFICATES"
  cp --preserve "$pki/ca.crt" "$pki/ca.key" "$NEW_CERTIFICATES"
  printf '%s' "$NAMED_CONFIG" >"$config"
  kubeadm init phase certs apiserver --config "$config"
  replace "$NEW_CERTIFICATES/apiserver.key" "$pki/apiserver.key"
  replace "$NEW_CERTIFICATES/apiserver.crt" "$pki/apiserver.crt"
  rm -rf --one-file-system "$NEW_CERTIFICATES"
}

config=$(file_in_memory)
trap 'rm -f "$config"' EXIT
while read -r certificate; do
  if [[ $certificate == apiserver && $NEW_NAMES == true ]]; then
    make_api_server_certificate
  else
    printf '%s' "$CONFIG" >"$config"
    kubeadm certs renew "$certificate" --config "$config"
  fi
done <<<"$CERTIFICATES"
settle /etc/kubernetes
