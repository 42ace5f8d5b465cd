# Prepares a host for kubeadm the way its documentation says, with nothing of ours.
# Variables: VERSION (such as 1.35.4).
# Leaves behind: containerd, kubelet, kubeadm, kubectl, and their repositories under names of their own.

minor=${VERSION%.*}
install -d -m 755 /etc/apt/keyrings
curl -fsSL "https://pkgs.k8s.io/core:/stable:/v$minor/deb/Release.key" -o /etc/apt/keyrings/kubernetes-apt-keyring.asc
curl -fsSL https://download.docker.com/linux/debian/gpg -o /etc/apt/keyrings/docker.asc
echo "deb [signed-by=/etc/apt/keyrings/kubernetes-apt-keyring.asc] https://pkgs.k8s.io/core:/stable:/v$minor/deb/ /" \
  >/etc/apt/sources.list.d/kubernetes.list
echo "deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable" \
  >/etc/apt/sources.list.d/docker.list
modprobe overlay
modprobe br_netfilter
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/k8s.conf
printf '%s = 1\n' net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables net.ipv4.ip_forward \
  >/etc/sysctl.d/k8s.conf
sysctl --quiet --system || true
swapoff --all
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq containerd.io "kubelet=$VERSION-*" "kubeadm=$VERSION-*" "kubectl=$VERSION-*" >/dev/null
apt-mark hold kubelet kubeadm kubectl >/dev/null
containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
systemctl restart containerd
systemctl --quiet enable --now kubelet
kubeadm config images pull --kubernetes-version "v$VERSION" >/dev/null
