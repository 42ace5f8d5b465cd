# The cluster of the local example once more, as somebody else's Terraform with a state of its own would have it.

terraform {
  required_providers {
    kubeone = {
      source = "registry.terraform.io/kubeone/kubeone"
    }
  }
}

variable "first" {
  description = "Folder of the configuration that made the hosts."
  type        = string
}

variable "ssh_key_file" {
  type = string
}

variable "patience" {
  description = "How long to wait for the other one."
  type        = string
}

provider "kubeone" {
  ssh = {
    user             = "kubeone"
    private_key_file = var.ssh_key_file
  }
}

locals {
  hosts = { for name in ["control-plane-1", "worker-1"] : name => jsondecode(file("${var.first}/.lab/${name}.json")) }
  api   = jsondecode(file("${var.first}/.lab/load-balancer.json"))
}

resource "kubeone_cluster" "this" {
  name               = "local"
  kubernetes_version = "1.35.4"
  api_endpoint       = { host = local.api.host, port = local.api.port }
  timeouts           = { lock = var.patience }
  packages           = { signing_key_fingerprints = local.api.package_signing_keys }

  control_plane = {
    for name in ["control-plane-1"] : name => {
      address      = local.hosts[name].address
      instance_id  = local.hosts[name].instance_id
      ssh_host_key = local.hosts[name].ssh_host_key
    }
  }

  static_workers = {
    for name in ["worker-1"] : name => {
      address      = local.hosts[name].address
      instance_id  = local.hosts[name].instance_id
      ssh_host_key = local.hosts[name].ssh_host_key
    }
  }
}
