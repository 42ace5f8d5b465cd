# Removes super-admin.conf, which `kubeadm init` makes for the group system:masters: no rule of the API limits it, and no one can
# revoke it. It is needed until the rights of admin.conf are there. Should those ever be lost, root on a control plane makes a new
# one from the key of the CA: `kubeadm kubeconfig user --org system:masters --client-name NAME`.
# Functions: durable.
# Variables: none.
# Leaves nothing behind. Safe to run twice.

forget /etc/kubernetes/super-admin.conf
