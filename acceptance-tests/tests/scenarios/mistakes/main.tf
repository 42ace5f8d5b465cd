# A cluster that nobody can find fault with, and whose machines need not exist: it is only looked at.

terraform {
  required_providers {
    kubeone = {
      source = "registry.terraform.io/kubeone/kubeone"
    }
  }
}

variable "lab" {
  type    = string
  default = ""
}

variable "ssh_key_file" {
  type    = string
  default = ""
}

resource "terraform_data" "later" {
  input = "10.0.0.12"
}

resource "kubeone_cluster" "this" {
  name               = "local"
  kubernetes_version = "1.35.4"
  api_endpoint       = { host = "10.0.0.100" }

  control_plane = {
    "cp-1" = { address = "10.0.0.11" }
    "cp-2" = { address = terraform_data.later.output }
    "cp-3" = { address = "10.0.0.13" }
  }

  static_workers = {
    "w-1" = { address = "10.0.0.21", labels = { pool = "general" }, kubelet = { max_pods = 110 } }
  }

  cluster_network = { pod_subnet = "10.244.0.0/16", service_subnet = "10.96.0.0/12", cni = "canal" }
}
