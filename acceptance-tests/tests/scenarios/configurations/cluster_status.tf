# Beside the local example: is the cluster well?

data "kubeone_cluster_status" "this" {
  cluster = kubeone_cluster.this
}

check "cluster" {
  assert {
    condition     = data.kubeone_cluster_status.this.healthy
    error_message = join("; ", data.kubeone_cluster_status.this.reasons)
  }
}
