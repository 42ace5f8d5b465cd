//! Findings about certificates that nobody renews by himself: those of the cluster's certificate authorities.

use jiff::{SignedDuration, Timestamp};
use kubeone_spec::{FieldPath, Finding};

use crate::observed::{HostState, Observed};
use crate::renewal::AUTHORITIES;

const A_YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// One finding for each authority that ends within a year, whichever host it was seen on.
pub(super) fn findings(observed: &Observed) -> Vec<Finding> {
    let Ok(now) = observed.observed_at.parse::<Timestamp>() else { return Vec::new() };
    let limit = now.saturating_add(A_YEAR).unwrap_or(Timestamp::MAX);
    let hosts = || {
        observed.hosts.values().filter_map(|state| match state {
            HostState::Reached(facts) => Some(facts),
            HostState::Unreachable { .. } | HostState::Refuses { .. } => None,
        })
    };
    let first = |path: &str| hosts().filter_map(|facts| facts.certificates.get(path)?.parse::<Timestamp>().ok()).min();
    let ending = AUTHORITIES.into_iter().filter_map(|path| Some((path, first(path)?))).filter(|(_, end)| *end <= limit);
    ending
        .map(|(path, end)| {
            let verb = if end <= now { "ended" } else { "ends" };
            let day = end.to_string();
            let day = day.split('T').next().unwrap_or(&day);
            Finding::warning(
                FieldPath::root("certificates"),
                format!("the certificate authority {path} {verb} on {day}"),
                "No certificate it signed is accepted after that day, and new ones do not help. It is not replaced by \
                 this provider: plan its rotation, or a new cluster, in time.",
            )
        })
        .collect()
}
