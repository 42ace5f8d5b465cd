#!/usr/bin/env bash
# Brings up a cluster the way an experienced administrator would with a script: all hosts at once, kubeadm, no network plugin.
# CONTROL_PLANES, WORKERS: name=address pairs, separated by spaces. ENDPOINT: host:port of the load balancer.
# VERSION: such as 1.35.4. SSH_KEY, SSH_USER: how hosts are reached. Prints `phase seconds` lines.
set -Eeuo pipefail

minor=${VERSION%.*}
start=$EPOCHREALTIME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

phase() {
  awk -v a="$start" -v b="$EPOCHREALTIME" -v what="$1" 'BEGIN { printf "%s %.1f\n", what, b - a }'
}

on() {
  ssh -i "$SSH_KEY" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    "$SSH_USER@$1" "sudo bash -s"
}

prepare() {
  on "$1" <<EOF
set -euo pipefail
hostnamectl set-hostname "$2" 2>/dev/null || hostname "$2"
install -d -m 755 /etc/apt/keyrings
curl -fsSL "https://pkgs.k8s.io/core:/stable:/v$minor/deb/Release.key" | gpg --batch --yes --dearmor -o /etc/apt/keyrings/kubernetes.gpg
curl -fsSL https://download.docker.com/linux/debian/gpg -o /etc/apt/keyrings/docker.asc
echo "deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] https://pkgs.k8s.io/core:/stable:/v$minor/deb/ /" > /etc/apt/sources.list.d/kubernetes.list
echo "deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable" > /etc/apt/sources.list.d/docker.list
modprobe overlay; modprobe br_netfilter
printf 'net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\nnet.ipv4.ip_forward = 1\n' > /etc/sysctl.d/k8s.conf
sysctl -q --system || true
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq -o Dir::Etc::sourceparts=/etc/apt/sources.list.d -o Dir::Etc::sourcelist=/dev/null
apt-get install -y -qq containerd.io "kubelet=$VERSION-*" "kubeadm=$VERSION-*" "kubectl=$VERSION-*" >/dev/null
containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' > /etc/containerd/config.toml
systemctl restart containerd
EOF
}

kubelet_config() {
  printf -- '---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n'
}

for pair in $CONTROL_PLANES $WORKERS; do
  prepare "${pair#*=}" "${pair%%=*}" > "$work/${pair%%=*}.log" 2>&1 &
done
for job in $(jobs -p); do wait "$job"; done
phase prepared

first=${CONTROL_PLANES%% *}
key=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
on "${first#*=}" > "$work/init.log" 2>&1 <<EOF
cat > /root/init.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
certificateKey: $key
localAPIEndpoint: { advertiseAddress: ${first#*=} }
nodeRegistration: { name: ${first%%=*}, ignorePreflightErrors: [SystemVerification] }
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$VERSION
controlPlaneEndpoint: $ENDPOINT
networking: { podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12 }
$(kubelet_config)
YAML
kubeadm init --config /root/init.yaml --upload-certs
EOF
phase initialised
join=$(echo 'kubeadm token create --print-join-command' | on "${first#*=}")

join() {
  on "$1" > "$work/$2.join.log" 2>&1 <<EOF
$join --node-name "$2" --ignore-preflight-errors SystemVerification $3
EOF
}

for pair in $WORKERS; do
  join "${pair#*=}" "${pair%%=*}" "" &
done
for pair in $CONTROL_PLANES; do
  [ "$pair" = "$first" ] && continue
  join "${pair#*=}" "${pair%%=*}" "--control-plane --certificate-key $key"
  phase "joined-${pair%%=*}"
done
for job in $(jobs -p); do wait "$job"; done
phase finished
