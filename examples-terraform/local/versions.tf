terraform {
  required_version = ">= 1.5"

  required_providers {
    kubeone = {
      source = "registry.terraform.io/kubeone/kubeone"
    }
  }
}

# How to reach the hosts. On a cloud this is all the provider has to know.
provider "kubeone" {
  ssh = {
    user             = "kubeone"
    private_key_file = pathexpand(var.ssh_key_file)
  }
}
