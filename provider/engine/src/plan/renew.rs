//! Which control planes get new certificates.

use kubeone_spec::{ClusterSpec, Role};

use super::{Action, Lane};
use crate::observed::Observed;
use crate::renewal::renewal_of;

/// One control plane after the other: each restarts its member of etcd.
pub(super) fn renewals(spec: &ClusterSpec, observed: &Observed) -> Lane {
    spec.control_plane.keys().filter_map(|host| renew(spec, observed, host)).collect()
}

pub(super) fn renew(spec: &ClusterSpec, observed: &Observed, host: &str) -> Option<Action> {
    let renewal = renewal_of(spec, observed, host, Role::ControlPlane)?;
    Some(Action::RenewCertificates { host: host.to_owned(), reason: renewal.reason.to_string() })
}
