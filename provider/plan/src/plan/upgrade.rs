//! Plans the upgrade of nodes: control planes one after the other, then the workers.

use kubeone_facts::SnapshotCause;
use kubeone_spec::{ClusterSpec, Role};

use super::snapshots::snapshot_lane;
use super::{Action, Lane, Plan};
use crate::situation::{HostSituation, Situation};
use crate::versions::{Progress, kubeadm_addons_are_old};

/// Upgrades nodes to the wanted version. Nodes that already run it are left alone, so the plan after an interruption is
/// the rest of the interrupted one.
pub(super) fn add_upgrade(plan: &mut Plan, situation: &Situation<'_>) {
    let spec = situation.spec;
    let kubernetes_version = spec.kubernetes_version;
    let control_planes = control_planes(situation);
    let workers: Vec<&str> = behind(situation, Role::Worker).map(|host| host.name).collect();

    if begins(situation) {
        plan.add("run preflight checks", vec![vec![Action::PreflightUpgrade { kubernetes_version }]]);
        if spec.backup.before_upgrade {
            let cause = SnapshotCause::BeforeUpgrade(kubernetes_version);
            plan.add("take etcd snapshot", vec![snapshot_lane(situation, cause, None)]);
        }
    }
    let fetch = |role, host: &&str| vec![Action::FetchUpgrade { host: (*host).to_owned(), role, kubernetes_version }];
    let lanes = control_planes.iter().map(|host| fetch(Role::ControlPlane, host));
    plan.add("fetch packages and images", lanes.chain(workers.iter().map(|host| fetch(Role::Worker, host))).collect());
    let upgrade = |host: &&str| Action::UpgradeControlPlane { host: (*host).to_owned(), kubernetes_version };
    plan.add("upgrade the control planes", vec![control_planes.iter().map(upgrade).collect()]);

    let upgrade = |host: &&str| Action::UpgradeWorker { host: (*host).to_owned(), kubernetes_version };
    let mut lanes = worker_lanes(spec, &workers, upgrade);
    // kubeadm upgrades them only once all control planes are upgraded, because kube-proxy must not be newer than an API
    // server.
    if (!control_planes.is_empty() || kubeadm_addons_are_old(situation))
        && let Some(host) = addons_host(situation)
    {
        lanes.insert(0, vec![Action::UpgradeKubeadmAddons { host, kubernetes_version }]);
    }
    plan.add(if workers.is_empty() { "upgrade kubeadm addons" } else { "upgrade the workers" }, lanes);
    plan.add("uncordon nodes", vec![forgotten_cordons(situation)]);
}

/// A reachable control plane with a Node. It has the new version by then.
fn addons_host(situation: &Situation<'_>) -> Option<String> {
    let mut hosts = situation.control_planes().iter();
    hosts.find(|host| host.node.is_some() && host.is_ours()).map(|host| host.name.to_owned())
}

/// Whether no control plane has started this upgrade.
pub(crate) fn begins(situation: &Situation<'_>) -> bool {
    let hosts = situation.control_planes();
    let is_old = |host: &HostSituation<'_>| host.progress == Progress::NotBegun;
    hosts.iter().any(is_old) && hosts.iter().all(|host| is_old(host) || host.node.is_none())
}

/// Control planes to upgrade. An interrupted one goes first: until it is healthy, no other may be touched.
fn control_planes<'a>(situation: &Situation<'a>) -> Vec<&'a str> {
    let mut behind: Vec<_> = behind(situation, Role::ControlPlane).collect();
    behind.sort_by_key(|host| host.progress != Progress::HalfDone);
    behind.into_iter().map(|host| host.name).collect()
}

fn behind<'s, 'a>(situation: &'s Situation<'a>, role: Role) -> impl Iterator<Item = &'s HostSituation<'a>> {
    situation.of_role(role).iter().filter(|host| host.progress != Progress::Done)
}

/// As many lanes as workers may be unavailable.
pub(super) fn worker_lanes<T>(spec: &ClusterSpec, workers: &[T], action: impl Fn(&T) -> Action) -> Vec<Lane> {
    let mut lanes = vec![Lane::new(); spec.upgrade.max_unavailable.of(spec.static_workers.len())];
    let count = lanes.len();
    for (number, worker) in workers.iter().enumerate() {
        lanes[number % count].push(action(worker));
    }
    lanes
}

/// Completed nodes that an interrupted run left cordoned.
fn forgotten_cordons(situation: &Situation<'_>) -> Lane {
    let is_forgotten = |host: &&HostSituation<'_>| {
        host.node.is_some_and(|node| node.cordoned_by_us) && host.progress == Progress::Done
    };
    let hosts = situation.hosts().filter(is_forgotten);
    hosts.map(|host| Action::UncordonNode { host: host.name.to_owned() }).collect()
}
