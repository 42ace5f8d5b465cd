//! Snapshots in the simulated cluster.

use kubeone_facts::{HeldSnapshot, HostState, Snapshot, SnapshotCause, SnapshotContent};

use super::{Extent, World};

impl World {
    /// An incomplete snapshot does not count.
    pub(super) fn take_snapshot(&mut self, host: &str, cause: &SnapshotCause, extent: Extent) {
        assert!(self.observed.api_facts().is_some(), "{host} has no etcd to save");
        if extent < Extent::Late {
            return;
        }
        let awaits_copy = self.wanted.spec.backup.copy_to.is_some();
        let held = HeldSnapshot { awaits_copy, ..snapshot(&self.wanted.spec.name, host, cause.clone()) };
        self.knows(host, held.clone());
        let facts = self.api().clone();
        self.saved.entry(held.snapshot.name.clone()).or_insert(facts);
        if extent == Extent::Whole {
            let others: Vec<_> = self.wanted.spec.control_plane.keys().filter(|name| *name != host).cloned().collect();
            for other in others {
                if let Some(HostState::Reached(_)) = self.observed.hosts.get(&other) {
                    self.knows(&other, HeldSnapshot { held: false, awaits_copy: false, ..held.clone() });
                }
            }
        }
    }

    /// The copy is recorded on the host last.
    pub(super) fn copy_snapshots(&mut self, host: &str, extent: Extent) {
        if extent == Extent::Whole {
            self.facts(host).snapshots.iter_mut().for_each(|held| held.awaits_copy = false);
        }
    }

    pub(super) fn knows(&mut self, host: &str, snapshot: HeldSnapshot) {
        let known = &mut self.facts(host).snapshots;
        if !known.iter().any(|other| other.snapshot == snapshot.snapshot) {
            known.push(snapshot);
        }
    }
}

pub(super) fn snapshot(cluster: &str, host: &str, cause: SnapshotCause) -> HeldSnapshot {
    // The cluster changes between two snapshots.
    let revision = if matches!(cause, SnapshotCause::BeforeUpgrade(_)) { 8 } else { 7 };
    let content = SnapshotContent {
        taken_at: "2026-01-02T03:04:05Z".to_owned(),
        revision,
        size: 4096,
        sha256: "ab".to_owned(),
        kubernetes_version: "1.36.3".to_owned(),
        etcd_version: "3.6.8-0".to_owned(),
    };
    let name = format!("{cluster}-20260102T030405Z-r{revision}-v1.36.3");
    let (cluster, host) = (cluster.to_owned(), host.to_owned());
    let snapshot = Snapshot { name, cluster, cluster_uid: super::UID.to_owned(), host, cause, content };
    HeldSnapshot { snapshot, held: true, awaits_copy: false }
}
