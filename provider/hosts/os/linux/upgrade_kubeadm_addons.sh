# Lets kubeadm bring kube-proxy and CoreDNS to the version of this control plane. Where another control plane is older, kubeadm
# leaves them as they are.
# Variables: none.
# Leaves behind: the new manifests in the cluster; their pods are exchanged by and by. Safe to run twice.

kubeadm upgrade node phase addon all
