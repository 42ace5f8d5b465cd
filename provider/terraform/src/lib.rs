//! The Terraform provider for Kubernetes clusters on hosts that Terraform made.
//!
//! This crate is the only one that knows both Terraform and our settings. It turns values into settings and
//! observations into values, and leaves everything that happens on hosts to `kubeone-engine`.

mod cluster;
mod cluster_status;
mod connection;
mod decode;
mod diagnostics;
mod encode;
mod host_keys;
mod kubeconfig;
mod local;
#[cfg(unix)]
pub mod memory;
mod model;
mod path;
mod private;
mod progress;
mod provider;
#[cfg(test)]
mod testing;

pub use kubeone_hosts::LocalEnvironment;
pub use progress::ProgressEnvironment;
pub use provider::{KubeoneProvider, Surroundings};
