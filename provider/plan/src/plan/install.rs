//! The plan that creates or updates a cluster, from the wanted and the observed state.

use std::collections::BTreeSet;

use kubeone_desired::addons::{self, WantedAddon};
use kubeone_facts::Observed;
use kubeone_spec::{Cni, Role};

use super::components::configure_control_planes;
use super::containerd::add_containerd;
use super::departures::Departures;
use super::prepare::preparation;
use super::snapshots::copy_lanes;
use super::snapshots::snapshot_lane;
use super::upgrade::add_upgrade;
use super::{Action, Lane, OnNode, Plan, adopt, configure, renew, repair, restore};
use crate::restore::{is_ambiguous, is_enough_for_new_machines, wanted_restore};
use crate::situation::{HostSituation, Situation, judge};
use crate::snapshots;
use crate::standing::{INIT_UNIT, JOIN_UNIT, Standing, leftover};
use crate::versions::{UpgradePath, upgrade_path};
use crate::wanted::Wanted;

/// Plans what makes the cluster as wanted. Hosts without observation are treated as new machines, so the plan for a new
/// cluster follows from the settings and an empty observation.
///
/// If nothing safe can be planned, the plan is empty and [`crate::check()`] reports why.
pub fn plan_create_or_update(wanted: &Wanted, observed: &Observed) -> Plan {
    plan_with_addons(wanted, observed, &addons::wanted(&wanted.spec))
}

pub(crate) fn plan_with_addons(wanted: &Wanted, observed: &Observed, addons: &[WantedAddon]) -> Plan {
    judge(wanted, observed, |all, situation| plan(all, situation, addons))
}

fn plan(all: &Situation<'_>, situation: &Situation<'_>, addons: &[WantedAddon]) -> Plan {
    if let Some(plan) = restore::restore(situation, addons) {
        return plan;
    }
    if is_ambiguous(all) {
        return Plan::default();
    }
    if repair::is_api_lost(situation) {
        return repair::without_api(situation);
    }
    let Some(beginning) = beginning(situation) else { return Plan::default() };
    let init = match &beginning {
        Beginning::Init { host, .. } => Some(*host),
        Beginning::Running => None,
    };
    let cause = snapshots::wanted_by_trigger(situation, init.is_some());
    let mut snapshot = cause.map(|cause| snapshot_lane(situation, cause, init)).unwrap_or_default();

    let departures = Departures::new(all);
    let upgrades = upgrade_path(situation) == UpgradePath::Upgrade;

    let mut plan = Plan::default();
    plan.add("rewrite damaged markers", adopt::rewrites(situation));
    plan.add("adopt hosts", adopt::lanes(situation));
    if init.is_none() {
        // kubeadm reads these objects for joins and upgrades.
        plan.add("repair the cluster", vec![repair::of_cluster(situation).into_iter().collect()]);
        // Before a new snapshot may prune them.
        plan.add("copy snapshots", copy_lanes(situation));
        // Before anything changes. For a new cluster, after it has data.
        plan.add("take etcd snapshot", vec![std::mem::take(&mut snapshot)]);
        // Machines that leave are not upgraded, and a control plane with the old version would block the upgrade.
        if upgrades {
            plan.add("remove nodes", departures.dead_lanes().into_iter().chain(departures.drain_lanes()).collect());
        }
        // Before joins, so that new machines join a cluster of their own version.
        add_upgrade(&mut plan, situation);
    }
    let mut lanes = prepare_lanes(situation, beginning);
    if !upgrades {
        lanes.extend(departures.dead_lanes());
    }
    let only_removes = lanes.iter().flatten().all(|action| action.effects().node == OnNode::Leaves);
    plan.add(
        match (init, only_removes) {
            (Some(_), _) => "prepare hosts and initialize the control plane",
            (None, true) => "remove lost nodes",
            (None, false) => "prepare hosts",
        },
        lanes,
    );
    if init.is_none() {
        plan.add("repair nodes", repair::repair_lanes(situation));
        plan.add("renew certificates", vec![renew::renewals(situation)]);
        add_containerd(&mut plan, situation);
    }
    plan.add("configure nodes", configure::lanes(situation));
    if init.is_none() {
        // Before anything joins, which gets its arguments from the cluster.
        plan.add("configure the control planes", vec![configure_control_planes(situation)]);
    }
    let joins = |role| joins(situation, role, init);
    let mut lanes = addon_lanes(addons, situation.observed);
    lanes.extend(departures.join_lanes(joins(Role::ControlPlane), joins(Role::Worker)));
    plan.add("join nodes and apply addons", lanes);
    let joins = plan.actions().filter(|action| action.effects().node.is_new());
    let joining: BTreeSet<_> = joins.filter_map(Action::host).collect();
    let await_nodes = await_nodes(situation, |host| joining.contains(host));
    plan.add("wait for the nodes", vec![await_nodes.into_iter().collect()]);
    plan.add("take etcd snapshot", vec![snapshot]);
    // Last, so that their pods can move to the new nodes.
    if !upgrades {
        plan.add("remove nodes", departures.drain_lanes());
    }
    plan
}

/// How the plan starts.
enum Beginning<'a> {
    /// There is no control plane yet: this host becomes the first one.
    Init {
        host: &'a str,
        resume: Option<String>,
        restore: Option<String>,
    },
    Running,
}

/// `None` if nothing can be planned: the cluster exists and its API is silent, or its version cannot be reached.
fn beginning<'a>(situation: &Situation<'a>) -> Option<Beginning<'a>> {
    if let Some(restore) = wanted_restore(situation) {
        // Workers that survived all control planes join again.
        return first_control_plane(situation).filter(|_| is_enough_for_new_machines(&restore));
    }
    let answers = situation.observed.api_facts().is_some();
    if answers && matches!(upgrade_path(situation), UpgradePath::Downgrade { .. } | UpgradePath::SkipsMinor { .. }) {
        return None;
    }
    // A full set of new machines replaces all machines that leave.
    let exists = situation.hosts().any(|host| host.is_finished() || host.is_node()) || situation.finished_departs();
    match (exists, answers) {
        (true, true) => Some(Beginning::Running),
        (true, false) => None,
        (false, _) => first_control_plane(situation),
    }
}

/// The host on which an earlier run started `kubeadm init`, or else the first by name.
fn first_control_plane<'a>(situation: &Situation<'a>) -> Option<Beginning<'a>> {
    // It may belong to the cluster that would be recreated.
    if situation.hosts().any(|host| matches!(host.standing, Standing::Damaged { .. })) {
        return None;
    }
    let leftover = |host: &HostSituation<'_>| host.facts.and_then(|facts| leftover(facts, INIT_UNIT));
    let begun = |host: &&HostSituation<'_>| host.standing == Standing::Begun && leftover(host).is_some();
    let hosts = || situation.control_planes().iter();
    let first = || hosts().find(|host| !matches!(host.standing, Standing::Foreign(_)));
    let host = hosts().find(begun).or_else(first)?;
    let restore = wanted_restore(situation).map(|restore| restore.source.to_string());
    Some(Beginning::Init { host: host.name, resume: leftover(host), restore })
}

/// One lane for each host; the first control plane is initialized as soon as its own host is prepared. Running control
/// planes share a lane, so that only one of them at a time restarts its container runtime.
fn prepare_lanes(situation: &Situation<'_>, beginning: Beginning) -> Vec<Lane> {
    let kubernetes_version = situation.spec.kubernetes_version;
    let (first, resume, restore) = match beginning {
        Beginning::Init { host, resume, restore } => (Some(host), resume, restore),
        Beginning::Running => (None, None, None),
    };
    let mut working = Lane::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for host in situation.hosts() {
        let mut lane: Lane = preparation(situation.spec, host).into_iter().collect();
        if first == Some(host.name) {
            let (host, resume, restore) = (host.name.to_owned(), resume.clone(), restore.clone());
            lane.push(Action::InitControlPlane { host, kubernetes_version, resume, restore });
        }
        if host.role == Role::ControlPlane && host.is_finished() {
            working.extend(lane);
        } else {
            lanes.push(lane);
        }
    }
    lanes.push(working);
    lanes
}

pub(super) fn joins(situation: &Situation<'_>, role: Role, init: Option<&str>) -> Lane {
    situation.of_role(role).iter().filter(|host| init != Some(host.name)).filter_map(join).collect()
}

fn join(host: &HostSituation<'_>) -> Option<Action> {
    let is_node = host.is_node() && !host.lost_member && !host.was_reset;
    // The kubelet of a control plane that lost only its Node registers it again.
    let registers = host.lost_node && !host.was_reset;
    if is_node || registers || matches!(host.standing, Standing::Foreign(_) | Standing::Damaged { .. }) {
        return None;
    }
    let resume = match host.standing {
        Standing::Finished if host.is_abandoned => Some("it has the data from before the restore".to_owned()),
        Standing::Finished if host.was_reset => Some("reset, then interrupted".to_owned()),
        Standing::Finished if host.lost_member => Some("its etcd member is missing".to_owned()),
        Standing::Finished => Some("its Node is missing".to_owned()),
        // An earlier run may have been interrupted after the join, before Terraform saved it.
        Standing::Unseen if host.node.is_some() => Some("unless it has joined already".to_owned()),
        _ => host.facts.and_then(|facts| leftover(facts, JOIN_UNIT)),
    };
    let resume = resume.or_else(|| host.node.map(|_| "replaces an earlier machine".to_owned()));
    let name = host.name.to_owned();
    Some(match host.role {
        Role::ControlPlane => Action::JoinControlPlane { host: name, resume },
        Role::Worker => Action::JoinWorker { host: name, resume },
    })
}

/// An addon is applied if it is missing, differs from the settings, or was edited.
fn addon_lanes(wanted: &[WantedAddon], observed: &Observed) -> Vec<Lane> {
    let apply = |addon: &WantedAddon| {
        let there = observed.api_facts().and_then(|api| api.addons.get(addon.name));
        let same = there.filter(|there| addon.hash.as_ref() == Some(&there.hash));
        let drift = same.map(|there| there.drift.clone()).unwrap_or_default();
        (same.is_none() || !drift.is_empty()).then(|| vec![Action::ApplyAddon { addon: addon.name.to_owned(), drift }])
    };
    wanted.iter().filter_map(apply).collect()
}

/// New nodes, and reachable nodes that are not ready. Waiting for a node with an unreachable host would block
/// everything else.
pub(super) fn await_nodes(situation: &Situation<'_>, joining: impl Fn(&str) -> bool) -> Option<Action> {
    // Without our network plugin, nodes become ready only once the user has installed one.
    if situation.spec.cluster_network.cni == Cni::None {
        return None;
    }
    let not_ready = |host: &HostSituation<'_>| host.facts.is_some() && host.node.is_some_and(|node| !node.ready);
    let hosts = situation.hosts().filter(|host| joining(host.name) || not_ready(host));
    let hosts: Vec<_> = hosts.map(|host| host.name.to_owned()).collect();
    if hosts.is_empty() { None } else { Some(Action::AwaitNodes { hosts }) }
}
