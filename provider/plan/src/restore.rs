//! Restores of etcd: which one is wanted, and which hosts missed the last one.
//!
//! The control plane that restores etcd records it in its marker last, and control planes that join it copy the record.
//! So if machines that missed the restore come back, the latest record identifies the present cluster.

use kubeone_facts::{BegunRestore, EtcdMember, HostFacts};
use kubeone_spec::{KubernetesVersion, RestoreSource};

use crate::evidence::Doubt;
use crate::restore_record::{id, is_recorded, key_of};
use crate::situation::{HostSituation, Situation};
use crate::wanted::Wanted;

/// A restore that the settings ask for and that is not done yet.
pub struct WantedRestore<'a> {
    pub source: RestoreSource<'a>,
    /// Identifies the restore, also among restores of the same data.
    pub id: String,
}

/// `None` if the settings ask for none, or the last restore was this one.
pub(crate) fn wanted_restore<'a>(situation: &Situation<'a>) -> Option<WantedRestore<'a>> {
    let restore = situation.spec.restore.as_ref()?;
    let (source, key) = (restore.source()?, restore.key()?);
    let last = situation.evidence.last_restore;
    let is_done = last.is_some_and(|restored| restore.is_done_by(key_of(restored)));
    (!is_done).then(|| WantedRestore { source, id: id(&key, last) })
}

/// The etcd members that a control plane of the present cluster lists.
pub(crate) fn members<'a>(host: &HostSituation<'a>) -> &'a [EtcdMember] {
    match host.facts {
        Some(facts) if !host.is_abandoned => &facts.etcd_members,
        _ => &[],
    }
}

/// Control planes that were stopped for an interrupted restore.
pub(crate) fn begun<'a>(situation: &Situation<'a>) -> impl Iterator<Item = (&'a str, &'a BegunRestore)> {
    let begun = |(host, facts): (&HostSituation<'a>, &'a HostFacts)| {
        let begun = facts.restore.as_ref()?;
        let is_done = facts.marker.as_ref().is_some_and(|marker| is_recorded(marker, &begun.what));
        (!is_done && !host.is_abandoned).then_some((host.name, begun))
    };
    situation.finished_control_planes().filter_map(begun)
}

/// Whether etcd on this host has the data of this restore, which is not complete.
pub fn has_data_of(facts: &HostFacts, id: &str) -> bool {
    facts.restore.as_ref().is_some_and(|begun| begun.replaced && begun.what == id)
}

/// The control plane that restores etcd: preferably one that has the data already, else one that needs no copy.
pub(crate) fn restorer<'a>(situation: &Situation<'a>, restore: &WantedRestore<'_>) -> Option<&'a str> {
    let fits = |host: &HostSituation<'a>, facts: &HostFacts| match restore.source {
        RestoreSource::Survivor(name) => host.name == name,
        RestoreSource::OnHost(snapshot) => holds(facts, snapshot),
        RestoreSource::Local(_) => true,
    };
    let by = |is_it: &dyn Fn(&HostSituation<'a>, &HostFacts) -> bool| {
        situation.finished_control_planes().find(|(host, facts)| is_it(host, facts)).map(|(host, _)| host.name)
    };
    by(&|host, facts| fits(host, facts) && has_data_of(facts, &restore.id))
        .or_else(|| by(&|host, facts| fits(host, facts) && !host.is_abandoned))
        .or_else(|| by(&fits))
}

/// Whether the host has the snapshot.
fn holds(facts: &HostFacts, snapshot: &str) -> bool {
    facts.snapshots.iter().any(|it| it.held && it.snapshot.name == snapshot)
}

/// Whether new machines can be restored from it, which takes the keys of the old cluster.
pub fn is_enough_for_new_machines(restore: &WantedRestore) -> bool {
    restore.source.is_bundle()
}

/// The Kubernetes version of the data, if it is not the wanted one.
pub fn other_version(wanted: &Wanted, restore: &WantedRestore) -> Option<KubernetesVersion> {
    restore.source.kubernetes_version().filter(|version| *version != wanted.spec.kubernetes_version)
}

/// Whether it is unknown which of two clusters is the present one. A restore in the settings resolves that.
pub(crate) fn is_ambiguous(situation: &Situation<'_>) -> bool {
    let decides = |doubt: &Doubt<'_>| !matches!(doubt, Doubt::Future { is_believed: true });
    situation.evidence.doubts().iter().any(|(.., doubt)| decides(doubt)) && wanted_restore(situation).is_none()
}
