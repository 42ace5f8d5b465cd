# A client certificate for this run of Terraform. It is never stored.
ephemeral "kubeone_kubeconfig" "admin" {
  cluster = kubeone_cluster.this
  ttl     = "1h"
}

# The cluster and what runs in it, in one configuration: the provider is configured when the cluster exists.
provider "kubernetes" {
  host                   = ephemeral.kubeone_kubeconfig.admin.host
  cluster_ca_certificate = ephemeral.kubeone_kubeconfig.admin.ca_certificate
  client_certificate     = ephemeral.kubeone_kubeconfig.admin.client_certificate
  client_key             = ephemeral.kubeone_kubeconfig.admin.client_key
}

provider "helm" {
  kubernetes = {
    host                   = ephemeral.kubeone_kubeconfig.admin.host
    cluster_ca_certificate = ephemeral.kubeone_kubeconfig.admin.ca_certificate
    client_certificate     = ephemeral.kubeone_kubeconfig.admin.client_certificate
    client_key             = ephemeral.kubeone_kubeconfig.admin.client_key
  }
}

resource "kubernetes_namespace_v1" "shop" {
  metadata {
    name = "shop"
  }
}
