//! Where in a plan nodes go to another version: control planes one after the other, then the workers.

use kubeone_facts::{Observed, SnapshotCause};
use kubeone_spec::{ClusterSpec, Role};

use super::snapshots::snapshot_lane;
use super::{Action, Lane, Plan};
use crate::standing::{Standing, standing};
use crate::versions::{Progress, kubeadm_addons_are_old, progress};
use crate::wanted::Wanted;

/// Adds what brings nodes of the cluster to the wanted version. Nodes that are there already are left alone, so the plan
/// after an interruption is what is left of the one before.
pub(super) fn add_upgrade(plan: &mut Plan, wanted: &Wanted, observed: &Observed) {
    let spec = &wanted.spec;
    let kubernetes_version = spec.kubernetes_version;
    let control_planes = control_planes(wanted, observed);
    let workers: Vec<&str> = behind(wanted, observed, Role::Worker).map(|(name, _)| name).collect();

    if begins(wanted, observed) {
        plan.add("check the cluster", vec![vec![Action::PreflightUpgrade { kubernetes_version }]]);
        if spec.backup.before_upgrade {
            let cause = SnapshotCause::BeforeUpgrade(kubernetes_version);
            plan.add("save etcd", vec![snapshot_lane(wanted, observed, cause, None)]);
        }
    }
    let fetch = |role, host: &&str| vec![Action::FetchUpgrade { host: (*host).to_owned(), role, kubernetes_version }];
    let lanes = control_planes.iter().map(|host| fetch(Role::ControlPlane, host));
    plan.add("fetch packages and images", lanes.chain(workers.iter().map(|host| fetch(Role::Worker, host))).collect());
    let upgrade = |host: &&str| Action::UpgradeControlPlane { host: (*host).to_owned(), kubernetes_version };
    plan.add("upgrade the control planes", vec![control_planes.iter().map(upgrade).collect()]);

    let upgrade = |host: &&str| Action::UpgradeWorker { host: (*host).to_owned(), kubernetes_version };
    let mut lanes = worker_lanes(spec, &workers, upgrade);
    // kubeadm waits with them until all control planes are new, as kube-proxy must not be newer than an API server.
    if (!control_planes.is_empty() || kubeadm_addons_are_old(wanted, observed))
        && let Some(host) = addons_host(wanted, observed)
    {
        lanes.insert(0, vec![Action::UpgradeKubeadmAddons { host, kubernetes_version }]);
    }
    plan.add(if workers.is_empty() { "upgrade kubeadm's addons" } else { "upgrade the workers" }, lanes);
    plan.add("make nodes schedulable again", vec![forgotten_cordons(wanted, observed)]);
}

/// A control plane that is there and answers; by then it has the new version.
fn addons_host(wanted: &Wanted, observed: &Observed) -> Option<String> {
    let is_there =
        |name: &&String| matches!(standing(wanted, observed, name), Standing::Finished | Standing::Adoptable);
    wanted.spec.control_plane.keys().filter(|name| is_member(observed, name)).find(is_there).cloned()
}

/// Whether nothing of this upgrade is done yet.
pub fn begins(wanted: &Wanted, observed: &Observed) -> bool {
    let names = || wanted.spec.control_plane.keys();
    let is = |name: &String, how_far| progress(wanted, observed, name) == how_far;
    names().any(|name| is(name, Progress::NotBegun))
        && names().all(|name| is(name, Progress::NotBegun) || !is_member(observed, name))
}

fn is_member(observed: &Observed, name: &str) -> bool {
    observed.api_facts().is_some_and(|api| api.nodes.contains_key(name))
}

/// Those that are to be upgraded. One that is half done goes first: until it is well, no other may be touched.
fn control_planes<'a>(wanted: &'a Wanted, observed: &Observed) -> Vec<&'a str> {
    let mut behind: Vec<_> = behind(wanted, observed, Role::ControlPlane).collect();
    behind.sort_by_key(|(_, progress)| *progress != Progress::HalfDone);
    behind.into_iter().map(|(name, _)| name).collect()
}

fn behind<'a>(wanted: &'a Wanted, observed: &Observed, role: Role) -> impl Iterator<Item = (&'a str, Progress)> {
    let hosts = wanted.spec.hosts().filter(move |(_, its_role, _)| *its_role == role);
    hosts.map(|(name, ..)| (name, progress(wanted, observed, name))).filter(|(_, progress)| *progress != Progress::Done)
}

/// As many lanes as workers may be away at the same time.
pub(super) fn worker_lanes<T>(spec: &ClusterSpec, workers: &[T], action: impl Fn(&T) -> Action) -> Vec<Lane> {
    let mut lanes = vec![Lane::new(); spec.upgrade.max_unavailable.of(spec.static_workers.len())];
    let count = lanes.len();
    for (number, worker) in workers.iter().enumerate() {
        lanes[number % count].push(action(worker));
    }
    lanes
}

/// Nodes with nothing left to do, that an interrupted run left unschedulable.
fn forgotten_cordons(wanted: &Wanted, observed: &Observed) -> Lane {
    let cordoned = |name: &str| {
        let node = observed.api_facts().and_then(|api| api.nodes.get(name));
        node.is_some_and(|node| node.cordoned_by_us) && progress(wanted, observed, name) == Progress::Done
    };
    let hosts = wanted.spec.hosts().map(|(name, ..)| name).filter(|name| cordoned(name));
    hosts.map(|host| Action::UncordonNode { host: host.to_owned() }).collect()
}
