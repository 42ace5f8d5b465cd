# Beside the local example: a client certificate for one run, and a client that uses it in that run.

ephemeral "kubeone_kubeconfig" "admin" {
  cluster = kubeone_cluster.this
  user    = "scenario"
  ttl     = var.ttl
}

variable "ttl" {
  type    = string
  default = "1m"
}

variable "run" {
  type    = string
  default = "1"
}

# Stands where `provider "kubernetes"` would: it takes the same parts and speaks to the same API.
resource "terraform_data" "client" {
  triggers_replace = [kubeone_cluster.this.id, var.run]

  provisioner "local-exec" {
    interpreter = ["bash", "-euo", "pipefail", "-c"]
    command     = <<-SCRIPT
      umask 077
      curl --silent --show-error --fail --max-time 20 --cacert <(printf %s "$CA") --cert <(printf %s "$CERTIFICATE") \
        --key <(printf %s "$KEY") "$HOST/api/v1/nodes" >nodes.json
      printf %s "$KUBECONFIG_TEXT" >kubeconfig.yaml
      printf %s "$EXPIRES_AT" >expires-at
    SCRIPT
    environment = {
      HOST            = ephemeral.kubeone_kubeconfig.admin.host
      CA              = ephemeral.kubeone_kubeconfig.admin.ca_certificate
      CERTIFICATE     = ephemeral.kubeone_kubeconfig.admin.client_certificate
      KEY             = ephemeral.kubeone_kubeconfig.admin.client_key
      KUBECONFIG_TEXT = ephemeral.kubeone_kubeconfig.admin.kubeconfig
      EXPIRES_AT      = ephemeral.kubeone_kubeconfig.admin.expires_at
    }
  }
}
