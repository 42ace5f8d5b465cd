//! Plans repairs of nodes: after their hosts are prepared, or first of all if the API is silent.

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

/// Control planes one after the other, as each may restart its etcd member. Workers in parallel.
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
    // The upgrade of a node includes its repair.
    if host.progress != Progress::Done {
        return None;
    }
    let what = repairs(situation, host);
    (!what.is_empty()).then(|| Action::RepairNode { host: host.name.to_owned(), role: host.role, what })
}

/// Recreates objects of `kubeadm init` that were deleted. Objects of an adopted cluster are not recreated, because
/// their owner configured them.
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

/// Whether the cluster exists and its API is silent. Then only the hosts can be observed.
pub(super) fn is_api_lost(situation: &Situation<'_>) -> bool {
    matches!(situation.observed.api, ApiState::Silent { .. }) && finished(situation).next().is_some()
}

fn finished<'s, 'a>(situation: &'s Situation<'a>) -> impl Iterator<Item = &'s HostSituation<'a>> {
    situation.control_planes().iter().filter(|host| host.is_finished())
}

/// Repairs control planes until the API answers. Everything that needs the API is planned once it answers. Empty if
/// most of etcd is unreachable or lost, because repairing the others would not help.
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
