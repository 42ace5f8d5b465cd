//! The plan that restores etcd of an existing cluster: the snapshot is verified, all control planes stop, one starts a
//! new etcd with the restored data, and the others join it.
//!
//! The content of the restored data is unknown until it is restored. So all other nodes are planned to join; a join
//! finds nothing to do if the restored data contains the node.

use std::collections::BTreeMap;

use kubeone_desired::addons::WantedAddon;
use kubeone_spec::{RestoreSource, Role};

use super::install::{await_nodes, joins};
use super::prepare::preparation;
use super::snapshots::{copy_lanes, snapshot_lane};
use super::{Action, Lane, Plan};
use crate::restore::{WantedRestore, begun, has_data_of, restorer, wanted_restore};
use crate::situation::{HostSituation, Situation};
use crate::snapshots::wanted_by_trigger;
use crate::standing::Standing;

/// `None` if no restore is wanted, or if there is no cluster yet: a new cluster may start from the snapshot. Empty if
/// the restore is impossible or another one was interrupted; [`crate::check()`] reports why.
pub(super) fn restore(situation: &Situation<'_>, addons: &[WantedAddon]) -> Option<Plan> {
    let Some(restore) = wanted_restore(situation) else {
        return begun(situation).next().map(|_| Plan::default());
    };
    if situation.finished_control_planes().next().is_none() && !situation.finished_departs() {
        return None;
    }
    let Some(host) = restorer(situation, &restore) else { return Some(Plan::default()) };
    Some(plan(situation, addons, &restore, host))
}

fn plan(situation: &Situation<'_>, addons: &[WantedAddon], restore: &WantedRestore, host: &str) -> Plan {
    let what = || restore.id.clone();
    let facts = situation.observed.facts(host);
    let has_data = facts.is_some_and(|facts| has_data_of(facts, &restore.id));
    let stops = situation.finished_control_planes().filter(|(it, _)| !(it.name == host && has_data));
    let stops = stops.map(|(it, _)| vec![Action::StopControlPlane { host: it.name.to_owned(), what: what() }]);

    let mut plan = Plan::default();
    // While the cluster still works.
    plan.add("copy snapshots", copy_lanes(situation));
    if !has_data {
        plan.add("check the snapshot", vec![prepare(restore, host).into_iter().collect()]);
    }
    plan.add("prepare hosts", prepare_lanes(situation));
    plan.add("stop the control planes", stops.collect());
    plan.add("restore etcd", vec![vec![Action::RestoreEtcd { host: host.to_owned(), what: what() }]]);
    let addons =
        addons.iter().map(|addon| vec![Action::ApplyAddon { addon: addon.name.to_owned(), drift: Vec::new() }]);
    let mut lanes: Vec<Lane> = addons.collect();
    lanes.extend(join_lanes(situation, host));
    let joining: Vec<_> = lanes.iter().flatten().filter_map(Action::host).map(str::to_owned).collect();
    plan.add("join nodes and apply addons", lanes);
    let are_new = |name: &str| name == host || joining.iter().any(|joins| joins == name);
    plan.add("wait for the nodes", vec![await_nodes(situation, are_new).into_iter().collect()]);
    let cause = wanted_by_trigger(situation, false);
    let snapshot = cause.map(|cause| snapshot_lane(situation, cause, Some(host)));
    plan.add("take etcd snapshot", snapshot.into_iter().collect());
    plan
}

/// The data must be present and intact before anything stops. A survivor has its data itself.
fn prepare(restore: &WantedRestore, host: &str) -> Option<Action> {
    let from = match restore.source {
        RestoreSource::OnHost(_) => None,
        RestoreSource::Local(path) => Some(path.display().to_string()),
        RestoreSource::Survivor(_) => return None,
    };
    Some(Action::PrepareRestore { host: host.to_owned(), what: restore.id.clone(), from })
}

/// Machines that are not nodes yet.
fn prepare_lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let hosts = situation.hosts();
    let new = hosts.filter(|host| matches!(host.standing, Standing::Unseen | Standing::Bare | Standing::Begun));
    new.filter_map(|host| Some(vec![preparation(situation.spec, host)?])).collect()
}

/// All other reachable hosts. An etcd member must be promoted before the next may join, so control planes share a lane.
fn join_lanes(situation: &Situation<'_>, restorer: &str) -> Vec<Lane> {
    let lane = |role| -> Lane {
        let mut new: BTreeMap<_, _> = joins(situation, role, Some(restorer))
            .into_iter()
            .filter_map(|join| Some((join.host()?.to_owned(), join)))
            .collect();
        let others = situation.of_role(role).iter().filter(|host| host.name != restorer);
        let join = |host: &HostSituation<'_>| match host.standing {
            Standing::Finished => Some(rejoin(host.name, role)),
            Standing::Unseen | Standing::Bare | Standing::Begun => new.remove(host.name),
            Standing::Unreachable { .. } | Standing::Foreign(_) | Standing::Damaged { .. } | Standing::Adoptable => {
                None
            }
        };
        others.filter_map(join).collect()
    };
    let mut lanes = vec![lane(Role::ControlPlane)];
    lanes.extend(lane(Role::Worker).into_iter().map(|join| vec![join]));
    lanes
}

fn rejoin(name: &str, role: Role) -> Action {
    let host = name.to_owned();
    match role {
        Role::ControlPlane => Action::JoinControlPlane { host, resume: Some("with the restored data".to_owned()) },
        Role::Worker => {
            Action::JoinWorker { host, resume: Some("unless the restored data contain its Node".to_owned()) }
        }
    }
}
