//! Which control planes get new certificates.

use kubeone_facts::Observed;

use super::{Action, Lane};
use crate::renewal::renewal_of;
use crate::wanted::Wanted;

/// One control plane after the other: each restarts its member of etcd.
pub(super) fn renewals(wanted: &Wanted, observed: &Observed) -> Lane {
    wanted.spec.control_plane.keys().filter_map(|host| renew(wanted, observed, host)).collect()
}

pub(super) fn renew(wanted: &Wanted, observed: &Observed, host: &str) -> Option<Action> {
    let renewal = renewal_of(wanted, observed, host)?;
    Some(Action::RenewCertificates { host: host.to_owned(), reason: renewal.reason.to_string() })
}
