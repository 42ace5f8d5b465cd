//! The Terraform provider for Kubernetes clusters on hosts that Terraform made.
