//! Which etcd snapshots are known, and which one is taken next.

use std::collections::BTreeMap;

use kubeone_facts::{HeldSnapshot, Snapshot, SnapshotCause};
use kubeone_spec::ClusterSpec;

use crate::situation::Situation;

/// All snapshots of this cluster that its control planes know, oldest first.
pub(crate) fn known<'a>(situation: &Situation<'a>) -> Vec<&'a Snapshot> {
    let spec = situation.spec;
    let hosts = situation.control_planes().iter().filter(|host| host.is_ours());
    let snapshots = hosts.filter_map(|host| host.facts).flat_map(|facts| &facts.snapshots).map(|held| &held.snapshot);
    let uid = situation.observed.api_facts().map(|api| &api.cluster_uid);
    let ours = snapshots.filter(|it| it.cluster == spec.name && uid.is_none_or(|uid| it.cluster_uid == *uid));
    ours.map(|snapshot| (&snapshot.name, snapshot)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The value of `backup.trigger`, unless a control plane records a snapshot for it. Snapshots of an earlier cluster do
/// not count.
pub(crate) fn wanted_by_trigger(situation: &Situation<'_>, is_new: bool) -> Option<SnapshotCause> {
    let cause = SnapshotCause::Trigger(situation.spec.backup.trigger.clone()?);
    let taken = known(situation).iter().any(|snapshot| snapshot.cause == cause);
    (is_new || !taken).then_some(cause)
}

/// Whether the snapshot must be copied. Snapshots of another cluster are not copied.
pub fn awaits_copy(spec: &ClusterSpec, held: &HeldSnapshot, uid: Option<&str>) -> bool {
    let is_ours = held.snapshot.cluster == spec.name && uid.is_none_or(|uid| held.snapshot.cluster_uid == uid);
    held.held && held.awaits_copy && is_ours
}

/// Which snapshots are kept after a new one.
#[derive(Debug, PartialEq, Eq)]
pub struct Retention {
    pub keep: Vec<String>,
    /// Only their descriptions are kept. Without them, the trigger would take another snapshot.
    pub remember: Vec<String>,
}

/// `earlier` are all known snapshots, oldest first. The new one is always kept, whatever the clock of its host.
pub fn retention(spec: &ClusterSpec, earlier: &[&Snapshot], new: &Snapshot) -> Retention {
    let earlier: Vec<_> = earlier.iter().copied().filter(|snapshot| snapshot.name != new.name).collect();
    let beside_it = usize::from(spec.backup.keep).saturating_sub(1);
    let (old, kept) = earlier.split_at(earlier.len().saturating_sub(beside_it));
    let names = |snapshots: &[&Snapshot]| snapshots.iter().map(|snapshot| snapshot.name.clone()).collect();
    let triggered = |snapshot: &&Snapshot| match &snapshot.cause {
        SnapshotCause::Trigger(value) => spec.backup.trigger.as_ref() == Some(value),
        SnapshotCause::BeforeUpgrade(_) => false,
    };
    let remembered: Vec<&Snapshot> = old.iter().copied().filter(triggered).collect();
    Retention { keep: names(&[kept, &[new]].concat()), remember: names(&remembered) }
}
