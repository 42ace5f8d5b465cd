//! The Terraform plugin protocol 6.
