//! What can be switched on in a control plane, one file each: it reads its own settings and adds arguments, mounts and files.

mod audit;
mod hardening;
mod orderly_shutdown;

use kubeone_spec::ClusterSpec;

use crate::control_plane::ControlPlane;

/// Adds what the settings want of one feature.
type Contribute = fn(&ClusterSpec, &mut ControlPlane);

/// Upgrades need it, whoever made the cluster.
pub(crate) const ORDERLY_SHUTDOWN: Contribute = orderly_shutdown::contribute;

pub(crate) const ALL: &[Contribute] = &[orderly_shutdown::contribute, hardening::contribute, audit::contribute];
