# A Kubernetes cluster on hosts that exist only on this machine.
#
# The first half makes hosts and a load balancer. On a cloud, hcloud_server or aws_instance stands in its place. What
# matters is the same: nobody knows an address before the host exists.
# The second half, `kubeone_cluster`, is the same everywhere.

locals {
  # A number stands for that many names.
  control_planes = try(toset(var.control_planes), toset([for i in range(var.control_planes) : "control-plane-${i + 1}"]))
  workers        = try(toset(var.workers), toset([for i in range(var.workers) : "worker-${i + 1}"]))

  # What the lab says about each host and the load balancer, once they exist.
  hosts = { for name, host in terraform_data.host : name => jsondecode(file(host.output.answer)) }
  api   = jsondecode(file(terraform_data.load_balancer.output.answer))
}

# --- Hosts ------------------------------------------------------------------------------------------------------------

resource "terraform_data" "host" {
  for_each = setunion(local.control_planes, local.workers)

  input = {
    name   = each.key
    lab    = var.lab
    answer = "${path.module}/.lab/${each.key}.json"
  }

  triggers_replace = lookup(var.machines, each.key, null)

  provisioner "local-exec" {
    command = "\"$LAB\" host create \"$NAME\" --ip \"$IP\" --instance-id \"$ID\" --ssh-public-key \"$KEY\" --output \"$ANSWER\""
    environment = {
      LAB    = self.output.lab
      NAME   = self.output.name
      IP     = try(coalesce(var.machines[each.key].address), "auto")
      ID     = self.id
      KEY    = trimspace(file(pathexpand("${var.ssh_key_file}.pub")))
      ANSWER = self.output.answer
    }
  }

  provisioner "local-exec" {
    when    = destroy
    command = "\"$LAB\" host destroy \"$NAME\" --instance-id \"$ID\""
    environment = {
      LAB  = self.output.lab
      NAME = self.output.name
      ID   = self.id
    }
  }

  # Worth doing on a cloud, too: a host that is taken away leaves the cluster first, and is destroyed only then.
  lifecycle {
    create_before_destroy = true
  }
}

# --- Load balancer in front of the control planes ---------------------------------------------------------------------

resource "terraform_data" "load_balancer" {
  input = {
    lab    = var.lab
    answer = "${path.module}/.lab/load-balancer.json"
  }

  provisioner "local-exec" {
    command = "\"$LAB\" load-balancer create --output \"$ANSWER\""
    environment = {
      LAB    = self.output.lab
      ANSWER = self.output.answer
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "\"$LAB\" load-balancer destroy"
    environment = { LAB = self.output.lab }
  }
}

resource "terraform_data" "load_balancer_targets" {
  triggers_replace = {
    load_balancer = terraform_data.load_balancer.id
    targets       = [for name in local.control_planes : "${local.hosts[name].address}:6443"]
  }

  provisioner "local-exec" {
    command = "\"$LAB\" load-balancer set --backend ${join(" --backend ", self.triggers_replace.targets)}"
    environment = {
      LAB = var.lab
    }
  }
}

# --- The cluster ------------------------------------------------------------------------------------------------------

resource "kubeone_cluster" "this" {
  name               = "local"
  kubernetes_version = var.kubernetes_version
  api_endpoint       = { host = local.api.host, port = local.api.port }

  control_plane = {
    for name in local.control_planes : name => {
      address      = local.hosts[name].address
      instance_id  = local.hosts[name].instance_id
      ssh_host_key = local.hosts[name].ssh_host_key
    }
  }

  static_workers = {
    for name in local.workers : name => {
      address      = local.hosts[name].address
      instance_id  = local.hosts[name].instance_id
      ssh_host_key = local.hosts[name].ssh_host_key
    }
  }

  # Where this machine cannot reach the package servers, stand-ins sign with a key of their own. A mirror would be named here.
  packages = { signing_key_fingerprints = try(local.api.package_signing_keys, []) }

  # A cluster for trying things out. In production leave this line away: then nobody destroys it by mistake.
  deletion = { protection = false }

  depends_on = [terraform_data.load_balancer_targets]
}
