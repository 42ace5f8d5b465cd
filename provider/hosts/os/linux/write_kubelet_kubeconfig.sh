# Gives the kubelet a new certificate, from which it goes on to renew it by itself.
# Functions: durable.
# Variables: KUBECONFIG (with certificate and key).
# Leaves behind: kubelet.conf and the certificate it refers to. The kubelet is not restarted. Safe to run twice.

pki=/var/lib/kubelet/pki
current=$pki/kubelet-client-current.pem
umask 077
mkdir -p "$pki"
# field NAME: the text behind a field of the kubeconfig.
field() {
  sed -n "s/^ *$1: //p" <<<"$KUBECONFIG"
}
new=$pki/kubelet-client-kubeone.pem
{
  field client-certificate-data | base64 --decode
  field client-key-data | base64 --decode
} >"$new.new"
replace "$new.new" "$new"
ln --symbolic --force --no-dereference "$new" "$current"
sed -e "s|client-certificate-data: .*|client-certificate: $current|" -e "s|client-key-data: .*|client-key: $current|" \
  <<<"$KUBECONFIG" >/etc/kubernetes/kubelet.conf.new
replace /etc/kubernetes/kubelet.conf.new /etc/kubernetes/kubelet.conf
