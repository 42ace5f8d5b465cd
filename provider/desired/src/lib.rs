//! What must be true: files of hosts, configuration of kubeadm and of kubelets, objects of addons, computed from the
//! settings alone and from what a host is.
//!
//! **Architecture invariant:** nothing here can act. No dependency of this crate opens a socket, reads a file or a clock.

mod addon;
pub mod addons;
pub mod catalog;
pub mod control_plane;
mod error;
mod features;
pub mod host_files;
pub mod image_lock;
pub mod kubeadm;
pub mod kubelet;
mod object;

pub use addon::{Addon, AddonError, Parameters, Rendered};
pub use error::DesiredError;
pub use object::{COREDNS, KUBE_PROXY, MANAGED_BY_LABEL, MANAGER, ObjectRef, Workload, WorkloadKind};
