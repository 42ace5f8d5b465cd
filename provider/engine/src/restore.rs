//! Restores of etcd: which one is wanted, which was the last, and which hosts it left behind. Plan, check and steps decide
//! by this alone.
//!
//! The control plane that restored remembers it in its marker, as its last move; those that join it take that over. So
//! the latest one tells which of two clusters is the present one, should machines of the abandoned one come back.

use jiff::{SignedDuration, Timestamp};
use kubeone_spec::{KubernetesVersion, RestoreSource};

use crate::observed::{BegunRestore, EtcdMember, HostFacts, Marker, Observed};
use crate::standing::{Standing, standing, standing_of};
use crate::wanted::Wanted;

/// A restore that the settings ask for and that was not done yet.
pub(crate) struct WantedRestore<'a> {
    pub(crate) source: RestoreSource<'a>,
    /// What tells it from others.
    pub(crate) key: String,
}

/// `None` when the settings ask for none, or the last one was this.
pub(crate) fn wanted_restore<'a>(wanted: &'a Wanted, observed: &Observed) -> Option<WantedRestore<'a>> {
    let restore = wanted.spec.restore.as_ref()?;
    let (source, key) = (restore.source()?, restore.key()?);
    let is_done = latest(wanted, observed).is_some_and(|restored| restore.is_done_by(key_of(restored)));
    (!is_done).then_some(WantedRestore { source, key })
}

/// What a marker remembers: when, so that text compares like time, and what. It is later than the last one, for the clock
/// of the machine that runs Terraform may be behind that of another.
pub(crate) fn remembered(now: Timestamp, last: Option<&str>, key: &str) -> String {
    let last = last.and_then(|last| last.split_once(' ')?.0.parse::<Timestamp>().ok());
    let next = last.and_then(|last| last.checked_add(SignedDuration::from_secs(1)).ok());
    format!("{} {key}", next.map_or(now, |next| next.max(now)))
}

/// What was restored.
pub(crate) fn key_of(remembered: &str) -> &str {
    remembered.split_once(' ').map_or("", |(_, key)| key)
}

/// The last restore that any control plane remembers.
pub(crate) fn latest<'a>(wanted: &Wanted, observed: &'a Observed) -> Option<&'a str> {
    let stay = wanted.spec.control_plane.keys().filter_map(|name| finished(wanted, observed, name));
    let leave = wanted.leaving.keys().filter_map(|name| {
        let is_finished = standing_of(wanted, observed, name, observed.leaving.get(name)) == Standing::Finished;
        observed.leaving_facts(name).filter(|_| is_finished)
    });
    stay.chain(leave).filter_map(remembers).max()
}

fn remembers(facts: &HostFacts) -> Option<&str> {
    facts.marker.as_ref()?.restored.as_deref()
}

/// What was seen on a finished control plane.
fn finished<'a>(wanted: &Wanted, observed: &'a Observed, name: &str) -> Option<&'a HostFacts> {
    let is_finished =
        wanted.spec.control_plane.contains_key(name) && standing(wanted, observed, name) == Standing::Finished;
    observed.facts(name).filter(|_| is_finished)
}

/// All finished control planes that can be reached, by name.
pub(crate) fn finished_control_planes<'a>(
    wanted: &'a Wanted,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a str, &'a HostFacts)> {
    let names = wanted.spec.control_plane.keys().map(String::as_str);
    names.filter_map(|name| Some((name, finished(wanted, observed, name)?)))
}

/// Whether a control plane still belongs to the cluster before the last restore: it was stopped for it, or out of reach.
pub(crate) fn is_abandoned(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    finished(wanted, observed, name).is_some_and(|facts| remembers(facts) < latest(wanted, observed))
}

/// Members of etcd as a control plane of the present cluster sees them.
pub(crate) fn members<'a>(wanted: &Wanted, observed: &'a Observed, name: &str) -> &'a [EtcdMember] {
    match observed.facts(name) {
        Some(facts) if !is_abandoned(wanted, observed, name) => &facts.etcd_members,
        _ => &[],
    }
}

/// Control planes that were stopped for a restore that has not come to its end.
pub(crate) fn begun<'a>(
    wanted: &'a Wanted,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a str, &'a BegunRestore)> {
    let begun = |(name, facts): (&'a str, &'a HostFacts)| {
        let begun = facts.restore.as_ref()?;
        let is_done = facts.marker.as_ref().is_some_and(|marker| is_remembered(marker, &begun.what));
        (!is_done && !is_abandoned(wanted, observed, name)).then_some((name, begun))
    };
    finished_control_planes(wanted, observed).filter_map(begun)
}

/// Whether this restore is the last one that a control plane remembers.
pub(crate) fn is_remembered(marker: &Marker, key: &str) -> bool {
    marker.restored.as_deref().is_some_and(|restored| key_of(restored) == key)
}

/// Whether etcd on this host has the data of this restore, which has not come to its end.
pub(crate) fn has_data_of(facts: &HostFacts, key: &str) -> bool {
    facts.restore.as_ref().is_some_and(|begun| begun.replaced && begun.what == key)
}

/// The control plane on which etcd begins anew: one that has the data already, or else one that can have it without
/// a copy.
pub(crate) fn restorer<'a>(wanted: &'a Wanted, observed: &'a Observed, restore: &WantedRestore) -> Option<&'a str> {
    let hosts = || finished_control_planes(wanted, observed);
    let fits = |name: &str, facts: &HostFacts| match restore.source {
        RestoreSource::Survivor(host) => host == name,
        RestoreSource::OnHost(snapshot) => holds(facts, snapshot),
        RestoreSource::Local(_) => true,
    };
    let stays = |name: &str| !is_abandoned(wanted, observed, name);
    let by = |is_it: &dyn Fn(&str, &HostFacts) -> bool| {
        hosts().find(|(name, facts)| is_it(name, facts)).map(|(name, _)| name)
    };
    by(&|name, facts| fits(name, facts) && has_data_of(facts, &restore.key))
        .or_else(|| by(&|name, facts| fits(name, facts) && stays(name)))
        .or_else(|| by(&fits))
}

/// Whether the snapshot lies on this host.
fn holds(facts: &HostFacts, snapshot: &str) -> bool {
    facts.snapshots.iter().any(|it| it.held && it.snapshot.name == snapshot)
}

/// Whether a cluster of new machines can be made from it: only with the keys of the old one.
pub(crate) fn is_enough_for_new_machines(restore: &WantedRestore) -> bool {
    restore.source.is_bundle()
}

/// The version of Kubernetes that ran when the data were written, where it is not the wanted one.
pub(crate) fn other_version(wanted: &Wanted, restore: &WantedRestore) -> Option<KubernetesVersion> {
    restore.source.kubernetes_version().filter(|version| *version != wanted.spec.kubernetes_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_later_than_the_one_before_whatever_the_clock_says() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for (last, expected) in [
            (None, "2026-03-01T12:00:00Z x"),
            (Some("2026-02-01T12:00:00Z x (trigger `a`)"), "2026-03-01T12:00:00Z x"),
            (Some("2026-03-01T12:00:00Z x"), "2026-03-01T12:00:01Z x"),
            (Some("2026-03-02T12:00:00Z x"), "2026-03-02T12:00:01Z x"),
            (Some("gibberish"), "2026-03-01T12:00:00Z x"),
        ] {
            assert_eq!(remembered(now, last, "x"), expected);
        }
    }
}
