output "api_endpoint" {
  description = "Where the Kubernetes API answers."
  value       = "https://${local.api.host}:${local.api.port}"
}

output "hosts" {
  description = "Address of each host."
  value       = { for name, host in local.hosts : name => host.address }
}

output "ssh" {
  description = "How to log in to each host."
  value       = { for name, host in local.hosts : name => "ssh -i ${var.ssh_key_file} kubeone@${host.address}" }
}
