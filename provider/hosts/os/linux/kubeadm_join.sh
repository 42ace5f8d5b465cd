# Makes this host a node of a cluster. It runs on a host without Kubernetes only: where a join failed, the host is reset
# before the next one.
# Functions: in_memory.
# Variables: CONFIG (kubeadm's configuration), DISCOVERY (the kubeconfig that it names, with the CA and a token; both hold
#   the token, so they live in memory and only while kubeadm runs),
#   API_PORT (of the API server that starts on this host; empty on a worker).
# Leaves behind: what `kubeadm join` does. Safe to run twice: kubeadm refuses a host that is a node.

held=/etc/kubernetes/kubeone-held
# When kubeadm is done, etcd votes. An API server that is not ready by then will not be.
patience=300

# answers FOLDER URL ARGUMENT...: whether a server on this host answers, checked against the CA in the folder.
answers() {
  local folder=$1 url=$2
  shift 2
  curl --silent --fail --max-time 1 --cacert "$folder/ca.crt" --output /dev/null "$@" "$url"
}

# An API server whose etcd is not there yet, or has no vote yet, gives up after twenty seconds and is started again only
# after a pause; so do the components that find no API server. So each gets its manifest when it can run.
# The kubelet of a new control plane asks for its certificate at the API server that it starts itself, and waits twice as
# long after each attempt. Started again when that API server is ready, it asks at once.
start_components() {
  local etcd=/etc/kubernetes/pki/etcd api=https://kubernetes:$API_PORT/readyz
  until answers "$etcd" https://127.0.0.1:2379/health --cert "$etcd/healthcheck-client.crt" --key "$etcd/healthcheck-client.key"; do
    sleep 0.1
  done
  mv "$held/kube-apiserver.yaml" /etc/kubernetes/manifests/
  # Not everybody lets strangers ask.
  local client=/etc/kubernetes/pki/apiserver-kubelet-client
  until answers /etc/kubernetes/pki "$api" --resolve "kubernetes:$API_PORT:127.0.0.1" --cert "$client.crt" --key "$client.key"; do
    sleep 0.1
  done
  mv "$held"/*.yaml /etc/kubernetes/manifests/
  rmdir "$held"
  if [[ ! -e /var/lib/kubelet/pki/kubelet-client-current.pem ]]; then
    systemctl restart kubelet
  fi
}

join_control_plane() {
  local components began name
  kubeadm join phase preflight --config "$config"
  kubeadm join phase control-plane-prepare all --config "$config"
  mkdir "$held"
  for name in kube-apiserver kube-controller-manager kube-scheduler; do
    mv "/etc/kubernetes/manifests/$name.yaml" "$held"
  done
  start_components &
  components=$!
  # kubeadm would look for manifests that have not been given back yet; whether all is well is awaited here.
  # Without kubeadm nobody needs the components, and they must not come after the host was cleaned.
  if ! kubeadm join --config "$config" --skip-phases preflight,control-plane-prepare,wait-control-plane; then
    kill "$components" 2>/dev/null || true
    return 1
  fi
  began=$SECONDS
  while kill -0 "$components" 2>/dev/null; do
    if ((SECONDS >= began + patience)); then
      kill "$components" 2>/dev/null || true
      if [[ -e $held/kube-apiserver.yaml ]]; then
        printf 'etcd on this host is healthy: not within %d s\n' "$patience" >&2
      else
        printf 'the API server on this host is ready: not within %d s\n' "$patience" >&2
      fi
      return 1
    fi
    sleep 0.1
  done
  wait "$components"
}

config=$(file_in_memory)
discovery=/run/kubeone/discovery.conf
trap 'rm -f "$config" "$discovery"' EXIT
rm -f "$discovery"
(umask 077 && printf '%s' "$DISCOVERY" >"$discovery")
printf '%s' "$CONFIG" >"$config"
if [[ -n $API_PORT ]]; then
  join_control_plane
else
  kubeadm join --config "$config"
fi
