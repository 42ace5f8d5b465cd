//! Findings about certificates that are not renewed: those of certificate authorities, and those whose renewal would
//! cost etcd its quorum.

use jiff::{SignedDuration, Timestamp};
use kubeone_facts::HostFacts;
use kubeone_spec::{FieldPath, Finding, Role};

use super::host_path;
use crate::renewal::{AUTHORITIES, postponed_renewal};
use crate::situation::Situation;

const A_YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let waiting = situation.control_planes().iter().filter_map(|host| {
        let (renewal, missing) = postponed_renewal(situation, host)?;
        Some(Finding::warning(
            host_path(Role::ControlPlane, host.name),
            format!("certificates of {} are not renewed yet: {}", host.name, renewal.reason),
            format!(
                "Renewing them restarts its etcd member, and etcd would lose quorum because {} is not available \
                 either. Repair or replace that member; the next apply renews the certificates.",
                missing.join(" and ")
            ),
        ))
    });
    waiting.chain(authorities(situation)).collect()
}

/// One finding for each authority that expires within a year on any control plane.
fn authorities(situation: &Situation<'_>) -> Vec<Finding> {
    let ours = || situation.control_planes().iter().filter(|host| host.is_ours());
    let hosts = || ours().filter_map(|host| host.facts);
    let end_of = |facts: &HostFacts, path: &str| {
        let end: Timestamp = facts.certificates.get(path)?.parse().ok()?;
        Some((end, facts.now(&situation.observed.observed_at)?))
    };
    let first = |path: &str| hosts().filter_map(|facts| end_of(facts, path)).min();
    let ends = AUTHORITIES.into_iter().filter_map(|path| Some((path, first(path)?)));
    let is_near = |now: Timestamp, end| end <= now.saturating_add(A_YEAR).unwrap_or(Timestamp::MAX);
    ends.filter(|(_, (end, now))| is_near(*now, *end))
        .map(|(path, (end, now))| {
            let verb = if end <= now { "expired" } else { "expires" };
            let day = end.to_string();
            let day = day.split('T').next().unwrap_or(&day);
            Finding::warning(
                FieldPath::root("certificates"),
                format!("the certificate authority {path} {verb} on {day}"),
                "Certificates that it signed are rejected after that day, including renewed ones. This provider does \
                 not rotate certificate authorities: plan the rotation, or a new cluster, in time.",
            )
        })
        .collect()
}
