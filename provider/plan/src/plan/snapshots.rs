//! Plans when etcd snapshots are taken and copied.

use kubeone_facts::SnapshotCause;

use super::{Action, Lane};
use crate::restore;
use crate::situation::{HostSituation, Situation};
use crate::snapshots::awaits_copy;

/// The lane that takes a snapshot on one control plane: the first one whose etcd member votes, or else the first
/// finished one, whose step then reports the problem. `begins` is the host of the first control plane of a new cluster.
pub(super) fn snapshot_lane(situation: &Situation<'_>, cause: SnapshotCause, begins: Option<&str>) -> Lane {
    let finished = || situation.control_planes().iter().filter(|host| host.is_ours());
    let votes = |host: &&HostSituation<'_>| {
        restore::members(host).iter().any(|member| member.name == host.name && !member.learner)
    };
    let takes = || finished().find(votes).or_else(|| finished().next()).map(|host| host.name);
    let Some(host) = begins.or_else(takes) else { return Lane::new() };
    let copy = situation.spec.backup.copy_to.clone().map(|to| copy(host, Vec::new(), to));
    [Action::TakeSnapshot { host: host.to_owned(), cause }].into_iter().chain(copy).collect()
}

/// One lane for each control plane with snapshots of this cluster that an earlier run did not copy.
pub(super) fn copy_lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let spec = situation.spec;
    let Some(to) = &spec.backup.copy_to else { return Vec::new() };
    let uid = situation.observed.api_facts().map(|api| api.cluster_uid.as_str());
    let hosts = situation.control_planes().iter().filter(|host| host.is_ours());
    let lanes = hosts.filter_map(|host| {
        let held = host.facts?.snapshots.iter();
        let names: Vec<_> = held.filter(|it| awaits_copy(spec, it, uid)).map(|it| it.snapshot.name.clone()).collect();
        (!names.is_empty()).then(|| vec![copy(host.name, names, to.clone())])
    });
    lanes.collect()
}

fn copy(host: &str, snapshots: Vec<String>, to: String) -> Action {
    Action::CopySnapshots { host: host.to_owned(), snapshots, to }
}
