# After each plan and apply: a warning when the cluster is not as it should be, with the reasons.
check "cluster" {
  data "kubeone_cluster_status" "this" {
    cluster                = kubeone_cluster.this
    certificates_valid_for = "720h"
  }

  assert {
    condition     = data.kubeone_cluster_status.this.healthy
    error_message = join("; ", data.kubeone_cluster_status.this.reasons)
  }
}

# For one concern alone: stop before anything else is changed while etcd has no quorum.
data "kubeone_cluster_status" "before" {
  cluster = kubeone_cluster.this

  lifecycle {
    postcondition {
      condition     = self.conditions.etcd_quorum
      error_message = "etcd has no quorum: ${join("; ", self.reasons)}"
    }
  }
}
