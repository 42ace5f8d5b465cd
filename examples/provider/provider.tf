terraform {
  required_providers {
    kubeone = {
      source = "kubeone/kubeone"
    }
  }
}

provider "kubeone" {
  ssh = {
    user             = "ubuntu"
    private_key_file = "~/.ssh/id_ed25519"
  }
}
