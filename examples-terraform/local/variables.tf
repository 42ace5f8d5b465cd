variable "control_planes" {
  description = "Number of control plane hosts. An odd number, so that etcd can lose one."
  type        = number
  default     = 1
}

variable "workers" {
  description = "Number of worker hosts."
  type        = number
  default     = 1
}

variable "kubernetes_version" {
  description = "Version of Kubernetes, without a leading v."
  type        = string
  default     = "1.35.4"
}

variable "ssh_key_file" {
  description = "Private key to log in with. The public key lies beside it and ends in .pub."
  type        = string
  default     = "~/.ssh/id_ed25519"
}

variable "lab" {
  description = "The lab program, which makes hosts on this machine."
  type        = string
  default     = "lab"
}
