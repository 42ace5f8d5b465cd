//! Where in a plan etcd is saved, and where snapshots are copied.

use kubeone_facts::{Observed, SnapshotCause};

use super::{Action, Lane};
use crate::restore;
use crate::snapshots::{awaits_copy, is_ours};
use crate::wanted::Wanted;

/// The lane that takes a snapshot on one control plane: the first one whose member of etcd votes, or else the first that
/// is finished, which then tells what is wrong with it. `begins` is the host of the first control plane of a new cluster.
pub(super) fn snapshot_lane(wanted: &Wanted, observed: &Observed, cause: SnapshotCause, begins: Option<&str>) -> Lane {
    let names = || wanted.spec.control_plane.keys().map(String::as_str);
    let finished = |name: &&str| is_ours(wanted, observed, name);
    let votes = |name: &&str| {
        let members = restore::members(wanted, observed, name);
        members.iter().any(|member| member.name == *name && !member.learner)
    };
    let host = begins.or_else(|| names().filter(finished).find(votes)).or_else(|| names().find(finished));
    let Some(host) = host else { return Lane::new() };
    let copy = wanted.spec.backup.copy_to.clone().map(|to| copy(host, Vec::new(), to));
    [Action::TakeSnapshot { host: host.to_owned(), cause }].into_iter().chain(copy).collect()
}

/// One lane for each control plane with snapshots of this cluster whose copies an earlier run did not make.
pub(super) fn copy_lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let Some(to) = &wanted.spec.backup.copy_to else { return Vec::new() };
    let uid = observed.api_facts().map(|api| api.cluster_uid.as_str());
    let hosts = wanted.spec.control_plane.keys().filter(|name| is_ours(wanted, observed, name));
    let lanes = hosts.filter_map(|host| {
        let held = observed.facts(host)?.snapshots.iter();
        let names: Vec<_> =
            held.filter(|it| awaits_copy(&wanted.spec, it, uid)).map(|it| it.snapshot.name.clone()).collect();
        (!names.is_empty()).then(|| vec![copy(host, names, to.clone())])
    });
    lanes.collect()
}

fn copy(host: &str, snapshots: Vec<String>, to: String) -> Action {
    Action::CopySnapshots { host: host.to_owned(), snapshots, to }
}
