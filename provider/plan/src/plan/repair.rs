//! Where in a plan nodes are put right: after their hosts are prepared; and first of all where the API is silent.

use kubeone_desired::{addons, host_files};
use kubeone_facts::{ApiState, Observed};
use kubeone_spec::Role;

use super::prepare::preparation;
use super::renew::renew;
use super::{Action, Lane, Plan};
use crate::lost_quorum;
use crate::repair::{Repair, repairs};
use crate::standing::{Standing, standing, was_reset};
use crate::versions::{Progress, Way, api_servers, progress, way};
use crate::wanted::Wanted;

/// One control plane after the other: each may restart its member of etcd. Workers side by side.
pub(super) fn repair_lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let mut lanes = worker_lanes(wanted, observed);
    lanes.insert(
        0,
        wanted
            .spec
            .control_plane
            .keys()
            .filter_map(|name| repair(wanted, observed, name, Role::ControlPlane))
            .collect(),
    );
    lanes
}

fn worker_lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let workers = wanted.spec.static_workers.keys();
    workers.filter_map(|name| repair(wanted, observed, name, Role::Worker)).map(|repair| vec![repair]).collect()
}

fn repair(wanted: &Wanted, observed: &Observed, name: &str, role: Role) -> Option<Action> {
    // The upgrade of a node leaves it as it should be.
    if progress(wanted, observed, name) != Progress::Done {
        return None;
    }
    let what = repairs(wanted, observed, name, role);
    (!what.is_empty()).then(|| Action::RepairNode { host: name.to_owned(), role, what })
}

/// What kubeadm made in the cluster at its beginning, and somebody deleted. What others made with settings of their own is
/// not ours to make again.
pub(super) fn of_cluster(wanted: &Wanted, observed: &Observed) -> Option<Action> {
    let spec = &wanted.spec;
    let is_adopted = |name: &String| match standing(wanted, observed, name) {
        Standing::Adoptable => true,
        _ => observed.facts(name).is_some_and(host_files::is_adopted),
    };
    if spec.control_plane.keys().any(is_adopted) {
        return None;
    }
    let missing = &observed.api_facts()?.missing;
    let missing: Vec<_> =
        missing.iter().filter(|object| !addons::may_be_missing(spec.cluster_network.cni, object)).cloned().collect();
    let (kubernetes_version, _) = api_servers(wanted, observed)?;
    (!missing.is_empty()).then_some(Action::RepairCluster { kubernetes_version, missing })
}

/// Whether the cluster is there and its API is not. Then all that is known comes from the hosts.
pub(super) fn is_api_lost(wanted: &Wanted, observed: &Observed) -> bool {
    matches!(observed.api, ApiState::Silent { .. }) && finished(wanted, observed).next().is_some()
}

fn finished<'a>(wanted: &'a Wanted, observed: &'a Observed) -> impl Iterator<Item = &'a str> {
    let names = wanted.spec.control_plane.keys().map(String::as_str);
    names.filter(|name| standing(wanted, observed, name) == Standing::Finished)
}

/// Brings the API back. What needs it is planned when it is there. Empty when most of etcd is out of reach or gone: then
/// nothing on the others helps.
pub(super) fn without_api(wanted: &Wanted, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    if !lost_quorum::may_answer(wanted, observed) {
        return plan;
    }
    let mut lane = Lane::new();
    // An upgrade waits for the API: packages of the new version would be ahead of the API servers.
    let arrived = way(wanted, observed) == Way::Arrived;
    for name in finished(wanted, observed) {
        lane.extend(preparation(wanted, observed, name, Role::ControlPlane).filter(|_| arrived));
        lane.extend(repair(wanted, observed, name, Role::ControlPlane));
        lane.extend(renew(wanted, observed, name));
    }
    if lane.is_empty() {
        let what = || vec![Repair::RestartKubelet];
        let restart = |name: &str| Action::RepairNode { host: name.to_owned(), role: Role::ControlPlane, what: what() };
        lane.extend(finished(wanted, observed).filter(|name| !was_reset(wanted, observed, name)).map(restart));
    }
    plan.add("repair the control plane", vec![lane]);
    plan.add("wait for the API", vec![vec![Action::AwaitApi]]);
    plan.add("repair nodes", worker_lanes(wanted, observed));
    plan
}
