//! Restores of etcd: which one is wanted, which was the last, and which hosts it left behind. Plan, check and steps decide
//! by this alone.
//!
//! The control plane that restored remembers it in its marker, as its last move; those that join it take that over. So
//! the latest one tells which of two clusters is the present one, should machines of the abandoned one come back.

use kubeone_facts::{BegunRestore, EtcdMember, HostFacts, Observed};
use kubeone_spec::{KubernetesVersion, RestoreSource};

use crate::evidence::{Doubt, doubts, latest};
use crate::memory::{id, is_earlier, is_remembered, key_of, remembers};
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// A restore that the settings ask for and that was not done yet.
pub struct WantedRestore<'a> {
    pub source: RestoreSource<'a>,
    /// What tells it from all others, also from an earlier one of the same data.
    pub id: String,
}

/// `None` when the settings ask for none, or the last one was this.
pub fn wanted_restore<'a>(wanted: &'a Wanted, observed: &Observed) -> Option<WantedRestore<'a>> {
    let restore = wanted.spec.restore.as_ref()?;
    let (source, key) = (restore.source()?, restore.key()?);
    let last = latest(wanted, observed);
    let is_done = last.is_some_and(|restored| restore.is_done_by(key_of(restored)));
    (!is_done).then(|| WantedRestore { source, id: id(&key, last) })
}

/// What was seen on a finished control plane.
fn finished<'a>(wanted: &Wanted, observed: &'a Observed, name: &str) -> Option<&'a HostFacts> {
    let is_finished =
        wanted.spec.control_plane.contains_key(name) && standing(wanted, observed, name) == Standing::Finished;
    observed.facts(name).filter(|_| is_finished)
}

/// All finished control planes that can be reached, by name.
pub fn finished_control_planes<'a>(
    wanted: &'a Wanted,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a str, &'a HostFacts)> {
    let names = wanted.spec.control_plane.keys().map(String::as_str);
    names.filter_map(|name| Some((name, finished(wanted, observed, name)?)))
}

/// Whether a control plane still belongs to the cluster before the last restore: it was stopped for it, or out of reach.
pub fn is_abandoned(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    finished(wanted, observed, name).is_some_and(|facts| is_earlier(remembers(facts), latest(wanted, observed)))
}

/// Members of etcd as a control plane of the present cluster sees them.
pub fn members<'a>(wanted: &Wanted, observed: &'a Observed, name: &str) -> &'a [EtcdMember] {
    match observed.facts(name) {
        Some(facts) if !is_abandoned(wanted, observed, name) => &facts.etcd_members,
        _ => &[],
    }
}

/// Control planes that were stopped for a restore that has not come to its end.
pub fn begun<'a>(wanted: &'a Wanted, observed: &'a Observed) -> impl Iterator<Item = (&'a str, &'a BegunRestore)> {
    let begun = |(name, facts): (&'a str, &'a HostFacts)| {
        let begun = facts.restore.as_ref()?;
        let is_done = facts.marker.as_ref().is_some_and(|marker| is_remembered(marker, &begun.what));
        (!is_done && !is_abandoned(wanted, observed, name)).then_some((name, begun))
    };
    finished_control_planes(wanted, observed).filter_map(begun)
}

/// Whether etcd on this host has the data of the restore with this id, which has not come to its end.
pub fn has_data_of(facts: &HostFacts, id: &str) -> bool {
    facts.restore.as_ref().is_some_and(|begun| begun.replaced && begun.what == id)
}

/// The control plane on which etcd begins anew: one that has the data already, or else one that can have it without
/// a copy.
pub fn restorer<'a>(wanted: &'a Wanted, observed: &'a Observed, restore: &WantedRestore) -> Option<&'a str> {
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
    by(&|name, facts| fits(name, facts) && has_data_of(facts, &restore.id))
        .or_else(|| by(&|name, facts| fits(name, facts) && stays(name)))
        .or_else(|| by(&fits))
}

/// Whether the snapshot lies on this host.
fn holds(facts: &HostFacts, snapshot: &str) -> bool {
    facts.snapshots.iter().any(|it| it.held && it.snapshot.name == snapshot)
}

/// Whether a cluster of new machines can be made from it: only with the keys of the old one.
pub fn is_enough_for_new_machines(restore: &WantedRestore) -> bool {
    restore.source.is_bundle()
}

/// The version of Kubernetes that ran when the data were written, where it is not the wanted one.
pub fn other_version(wanted: &Wanted, restore: &WantedRestore) -> Option<KubernetesVersion> {
    restore.source.kubernetes_version().filter(|version| *version != wanted.spec.kubernetes_version)
}

/// Whether it is not known which of two clusters is the present one. A restore that the settings ask for decides it.
pub fn is_in_doubt(wanted: &Wanted, observed: &Observed) -> bool {
    let decides = |doubt: &Doubt<'_>| !matches!(doubt, Doubt::Future { is_believed: true });
    doubts(wanted, observed).iter().any(|(.., doubt)| decides(doubt)) && wanted_restore(wanted, observed).is_none()
}
