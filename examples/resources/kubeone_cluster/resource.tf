resource "kubeone_cluster" "this" {
  name               = "prod"
  kubernetes_version = "1.35.4"

  api_endpoint = { host = hcloud_load_balancer.api.ipv4 }

  control_plane = {
    for name, vm in hcloud_server.control_plane : name => {
      address     = vm.ipv4_address
      instance_id = vm.id
    }
  }

  static_workers = {
    for name, vm in hcloud_server.worker : name => {
      address     = vm.ipv4_address
      instance_id = vm.id
      labels      = { pool = "general" }
    }
  }
}
