//! The plan that puts etcd of a running or broken cluster back: the snapshot is checked, all control planes stop, one begins
//! anew with the restored data, and the others join it.
//!
//! What the restored data know is seen only when they are there. So nodes join that they may know already, whose steps
//! then find nothing to do.

use std::collections::BTreeMap;

use kubeone_desired::addons::WantedAddon;
use kubeone_facts::Observed;
use kubeone_spec::{RestoreSource, Role};

use super::install::{await_nodes, joins};
use super::prepare::preparation;
use super::snapshots::{copy_lanes, snapshot_lane};
use super::{Action, Lane, Plan};
use crate::leaving::has_finished;
use crate::restore::{WantedRestore, begun, finished_control_planes, has_data_of, restorer, wanted_restore};
use crate::snapshots::wanted_by_trigger;
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// `None` when no restore is wanted, or when there is no cluster yet: one that is made may begin with the data. Empty
/// where the restore is not possible, or another one has begun; [`crate::check()`] says why.
pub(super) fn restore(wanted: &Wanted, observed: &Observed, addons: &[WantedAddon]) -> Option<Plan> {
    let Some(restore) = wanted_restore(wanted, observed) else {
        return begun(wanted, observed).next().map(|_| Plan::default());
    };
    if finished_control_planes(wanted, observed).next().is_none() && !has_finished(wanted, observed) {
        return None;
    }
    let Some(host) = restorer(wanted, observed, &restore) else { return Some(Plan::default()) };
    Some(plan(wanted, observed, addons, &restore, host))
}

fn plan(wanted: &Wanted, observed: &Observed, addons: &[WantedAddon], restore: &WantedRestore, host: &str) -> Plan {
    let what = || restore.id.clone();
    let has_data =
        |name: &str| name == host && observed.facts(name).is_some_and(|facts| has_data_of(facts, &restore.id));
    let stops = finished_control_planes(wanted, observed).filter(|(name, _)| !has_data(name));
    let stops = stops.map(|(name, _)| vec![Action::StopControlPlane { host: name.to_owned(), what: what() }]);

    let mut plan = Plan::default();
    // While the cluster still works.
    plan.add("copy snapshots", copy_lanes(wanted, observed));
    if !has_data(host) {
        plan.add("check the snapshot", vec![prepare(restore, host).into_iter().collect()]);
    }
    plan.add("prepare hosts", prepare_lanes(wanted, observed));
    plan.add("stop the control planes", stops.collect());
    plan.add("restore etcd", vec![vec![Action::RestoreEtcd { host: host.to_owned(), what: what() }]]);
    let addons =
        addons.iter().map(|addon| vec![Action::ApplyAddon { addon: addon.name.to_owned(), drift: Vec::new() }]);
    let mut lanes: Vec<Lane> = addons.collect();
    lanes.extend(join_lanes(wanted, observed, host));
    let joining: Vec<_> = lanes.iter().flatten().filter_map(Action::host).map(str::to_owned).collect();
    plan.add("join nodes and apply addons", lanes);
    let are_new = |name: &str| name == host || joining.iter().any(|joins| joins == name);
    plan.add("wait for the nodes", vec![await_nodes(&wanted.spec, observed, are_new).into_iter().collect()]);
    let cause = wanted_by_trigger(wanted, observed, false);
    let snapshot = cause.map(|cause| snapshot_lane(wanted, observed, cause, Some(host)));
    plan.add("save etcd", snapshot.into_iter().collect());
    plan
}

/// What is restored must be there and whole before anything stops for it. A survivor has its data itself.
fn prepare(restore: &WantedRestore, host: &str) -> Option<Action> {
    let from = match restore.source {
        RestoreSource::OnHost(_) => None,
        RestoreSource::Local(path) => Some(path.display().to_string()),
        RestoreSource::Survivor(_) => return None,
    };
    Some(Action::PrepareRestore { host: host.to_owned(), what: restore.id.clone(), from })
}

/// Machines that are no nodes yet.
fn prepare_lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let is_new =
        |name: &str| matches!(standing(wanted, observed, name), Standing::Unseen | Standing::Bare | Standing::Begun);
    let hosts = wanted.spec.hosts().filter(|(name, ..)| is_new(name));
    hosts.filter_map(|(name, role, _)| Some(vec![preparation(wanted, observed, name, role)?])).collect()
}

/// Everybody else that can be reached. A member that joins etcd must be a full one before the next may come, so control
/// planes share a lane.
fn join_lanes(wanted: &Wanted, observed: &Observed, restorer: &str) -> Vec<Lane> {
    let lane = |role| -> Lane {
        let mut new: BTreeMap<_, _> = joins(wanted, observed, role, Some(restorer))
            .into_iter()
            .filter_map(|join| Some((join.host()?.to_owned(), join)))
            .collect();
        let others = wanted.spec.hosts().filter(|(name, its_role, _)| *its_role == role && *name != restorer);
        let join = |(name, ..): (&str, Role, _)| match standing(wanted, observed, name) {
            Standing::Finished => Some(rejoin(name, role)),
            Standing::Unseen | Standing::Bare | Standing::Begun => new.remove(name),
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
        Role::Worker => Action::JoinWorker { host, resume: Some("unless the restored data know it".to_owned()) },
    }
}
