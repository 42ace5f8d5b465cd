variable "control_planes" {
  description = "Number of control plane hosts, or their names. An odd number, so that etcd can lose one."
  type        = any
  default     = 1
}

variable "workers" {
  description = "Number of worker hosts, or their names."
  type        = any
  default     = 1
}

variable "machines" {
  description = "What single hosts need beside their name. A host whose entry changes becomes a new machine of that name."
  type = map(object({
    generation = optional(number) # only to be changed
    address    = optional(number) # last number of the IP address; without one the lab chooses
  }))
  default = {}
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
