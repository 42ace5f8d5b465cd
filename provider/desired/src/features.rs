//! What can be switched on in a control plane, one file each: it reads its own settings and adds arguments, mounts and files.

mod audit;
mod hardening;
mod orderly_shutdown;

use kubeone_spec::ClusterSpec;

use crate::control_plane::{Component, ControlPlane};

/// Adds what the settings want of one feature.
type Contribute = fn(&ClusterSpec, &mut ControlPlane);

const ALL: &[Contribute] = &[orderly_shutdown::contribute, hardening::contribute, audit::contribute];

impl ControlPlane {
    /// What these settings come to.
    pub fn of(spec: &ClusterSpec) -> Self {
        let mut desired = Self::default();
        for contribute in ALL {
            contribute(spec, &mut desired);
        }
        desired
    }

    /// What a cluster of another tool is given when it is upgraded. It knows its other arguments best.
    pub fn of_adopted(spec: &ClusterSpec) -> Self {
        let mut desired = Self::default();
        orderly_shutdown::contribute(spec, &mut desired);
        desired.arguments.retain(|component, _| *component == Component::ApiServer);
        desired
    }
}
