//! Where in a plan nodes are put right: after their hosts are prepared; and first of all where the API is silent.

use kubeone_desired::{addons, host_files};
use kubeone_facts::ApiState;
use kubeone_spec::Role;

use super::prepare::preparation;
use super::renew::renew;
use super::{Action, Lane, Plan};
use crate::lost_quorum;
use crate::repair::{Repair, repairs};
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::versions::{Progress, UpgradePath, api_servers, upgrade_path};

/// One control plane after the other: each may restart its member of etcd. Workers side by side.
pub(super) fn repair_lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let control_planes = situation.control_planes().iter().filter_map(|host| repair(situation, host));
    let mut lanes = vec![control_planes.collect()];
    lanes.extend(worker_lanes(situation));
    lanes
}

fn worker_lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let workers = situation.of_role(Role::Worker).iter();
    workers.filter_map(|host| repair(situation, host)).map(|repair| vec![repair]).collect()
}

fn repair(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<Action> {
    // The upgrade of a node leaves it as it should be.
    if host.progress != Progress::Done {
        return None;
    }
    let what = repairs(situation, host);
    (!what.is_empty()).then(|| Action::RepairNode { host: host.name.to_owned(), role: host.role, what })
}

/// What kubeadm made in the cluster at its beginning, and somebody deleted. What others made with settings of their own is
/// not ours to make again.
pub(super) fn of_cluster(situation: &Situation<'_>) -> Option<Action> {
    let is_adopted = |host: &HostSituation<'_>| {
        host.standing == Standing::Adoptable || host.facts.is_some_and(host_files::is_adopted)
    };
    if situation.control_planes().iter().any(is_adopted) {
        return None;
    }
    let cni = situation.spec.cluster_network.cni;
    let missing = situation.observed.api_facts()?.missing.iter();
    let missing: Vec<_> = missing.filter(|object| !addons::may_be_missing(cni, object)).cloned().collect();
    let (kubernetes_version, _) = api_servers(situation)?;
    (!missing.is_empty()).then_some(Action::RepairCluster { kubernetes_version, missing })
}

/// Whether the cluster is there and its API is not. Then all that is known comes from the hosts.
pub(super) fn is_api_lost(situation: &Situation<'_>) -> bool {
    matches!(situation.observed.api, ApiState::Silent { .. }) && finished(situation).next().is_some()
}

fn finished<'s, 'a>(situation: &'s Situation<'a>) -> impl Iterator<Item = &'s HostSituation<'a>> {
    situation.control_planes().iter().filter(|host| host.is_finished())
}

/// Brings the API back. What needs it is planned when it is there. Empty when most of etcd is out of reach or gone: then
/// nothing on the others helps.
pub(super) fn without_api(situation: &Situation<'_>) -> Plan {
    let mut plan = Plan::default();
    if !lost_quorum::may_recover(situation) {
        return plan;
    }
    let mut lane = Lane::new();
    // An upgrade waits for the API: packages of the new version would be ahead of the API servers.
    let arrived = upgrade_path(situation) == UpgradePath::UpToDate;
    for host in finished(situation) {
        lane.extend(preparation(situation.spec, host).filter(|_| arrived));
        lane.extend(repair(situation, host));
        lane.extend(renew(situation, host));
    }
    if lane.is_empty() {
        let what = || vec![Repair::RestartKubelet];
        let restart = |host: &HostSituation<'_>| Action::RepairNode {
            host: host.name.to_owned(),
            role: Role::ControlPlane,
            what: what(),
        };
        lane.extend(finished(situation).filter(|host| !host.was_reset).map(restart));
    }
    plan.add("repair the control plane", vec![lane]);
    plan.add("wait for the API", vec![vec![Action::AwaitApi]]);
    plan.add("repair nodes", worker_lanes(situation));
    plan
}
