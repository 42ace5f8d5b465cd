//! Plans certificate renewals of control planes.

use super::{Action, Lane};
use crate::renewal::renewal_of;
use crate::situation::{HostSituation, Situation};

/// One control plane after the other: each restarts its etcd member.
pub(super) fn renewals(situation: &Situation<'_>) -> Lane {
    situation.control_planes().iter().filter_map(|host| renew(situation, host)).collect()
}

pub(super) fn renew(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<Action> {
    let renewal = renewal_of(situation, host)?;
    Some(Action::RenewCertificates { host: host.name.to_owned(), reason: renewal.reason.to_string() })
}
