# Makes this host the first control plane. Prints the command by which others join.
# Variables: VERSION, NODE (its name), ADDRESS, ENDPOINT (host:port of the API), KEY (for the certificates).
# Leaves behind: a cluster of one node, without a pod network, with keys of kubeadm's default kind.

cat >/root/kubeadm.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
certificateKey: $KEY
localAPIEndpoint: { advertiseAddress: $ADDRESS }
nodeRegistration: { name: $NODE, ignorePreflightErrors: [SystemVerification] }
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$VERSION
controlPlaneEndpoint: $ENDPOINT
networking: { podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12 }
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
YAML
kubeadm init --config /root/kubeadm.yaml --upload-certs >/var/log/kubeadm-init.log 2>&1
kubeadm token create --print-join-command
