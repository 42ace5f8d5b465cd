//! The plan that makes a cluster, or completes one: from what is wanted and what was observed.

use std::collections::BTreeSet;

use kubeone_desired::addons::{self, WantedAddon};
use kubeone_facts::Observed;
use kubeone_spec::{ClusterSpec, Cni, Role};

use super::components::configure_control_planes;
use super::containerd::add_containerd;
use super::leave::Leave;
use super::prepare::preparation;
use super::snapshots::copy_lanes;
use super::snapshots::snapshot_lane;
use super::upgrade::add_upgrade;
use super::{Action, Lane, OnNode, Plan, adopt, configure, renew, repair, restore};
use crate::leaving::{has_finished, without_leavers};
use crate::repair::{lost_its_member, lost_its_node};
use crate::restore::is_in_doubt;
use crate::restore::{is_abandoned, is_enough_for_new_machines, wanted_restore};
use crate::snapshots;
use crate::standing::{INIT_UNIT, JOIN_UNIT, Standing, has_node, is_node, leftover, standing, was_reset};
use crate::versions::{Way, way};
use crate::wanted::Wanted;

/// What has to be done so that the cluster is as wanted. Hosts that were never looked at are taken for new machines,
/// so the plan for a cluster that does not exist yet follows from the settings and an empty observation.
///
/// Where nothing safe can be planned the plan is empty, and [`crate::check()`] says why.
pub fn plan_create_or_update(wanted: &Wanted, observed: &Observed) -> Plan {
    plan_with_addons(wanted, observed, &addons::wanted(&wanted.spec))
}

pub(crate) fn plan_with_addons(wanted: &Wanted, observed: &Observed, addons: &[WantedAddon]) -> Plan {
    let (spec, everybody) = (&wanted.spec, observed);
    let observed = &*without_leavers(wanted, everybody);
    if let Some(plan) = restore::restore(wanted, observed, addons) {
        return plan;
    }
    if is_in_doubt(wanted, everybody) {
        return Plan::default();
    }
    if repair::is_api_lost(wanted, observed) {
        return repair::without_api(wanted, observed);
    }
    let Some(beginning) = beginning(wanted, observed) else { return Plan::default() };
    let init = match &beginning {
        Beginning::Init { host, .. } => Some(*host),
        Beginning::Running => None,
    };
    let cause = snapshots::wanted_by_trigger(wanted, observed, init.is_some());
    let mut snapshot = cause.map(|cause| snapshot_lane(wanted, observed, cause, init)).unwrap_or_default();

    let leave = Leave::new(wanted, everybody);
    let upgrades = way(wanted, observed) == Way::Upgrade;

    let mut plan = Plan::default();
    plan.add("rewrite damaged markers", adopt::rewrites(wanted, observed));
    plan.add("adopt hosts", adopt::lanes(wanted, observed));
    if init.is_none() {
        // kubeadm joins and upgrades by it.
        plan.add("repair the cluster", vec![repair::of_cluster(wanted, observed).into_iter().collect()]);
        // Before a new snapshot takes their place.
        plan.add("copy snapshots", copy_lanes(wanted, observed));
        // Before anything changes; of a new cluster when there is something to save.
        plan.add("save etcd", vec![std::mem::take(&mut snapshot)]);
        // What leaves need not be upgraded; and a control plane of the old version would hold the others up.
        if upgrades {
            plan.add("remove nodes", leave.dead().into_iter().chain(leave.away()).collect());
        }
        // Before anything joins, so that it joins a cluster of its own version.
        add_upgrade(&mut plan, wanted, observed);
    }
    let mut lanes = prepare_lanes(wanted, observed, beginning);
    if !upgrades {
        lanes.extend(leave.dead());
    }
    let only_removes = lanes.iter().flatten().all(|action| action.effects().node == OnNode::Leaves);
    plan.add(
        match (init, only_removes) {
            (Some(_), _) => "prepare hosts and start the control plane",
            (None, true) => "remove lost nodes",
            (None, false) => "prepare hosts",
        },
        lanes,
    );
    if init.is_none() {
        plan.add("repair nodes", repair::repair_lanes(wanted, observed));
        plan.add("renew certificates", vec![renew::renewals(wanted, observed)]);
    }
    if init.is_none() {
        add_containerd(&mut plan, wanted, observed);
    }
    plan.add("configure nodes", configure::lanes(wanted, observed));
    if init.is_none() {
        // Before anything joins, which gets its arguments from the cluster.
        plan.add("configure the control planes", vec![configure_control_planes(wanted, observed)]);
    }
    let joins = |role| joins(wanted, observed, role, init);
    let mut lanes = addon_lanes(addons, observed);
    lanes.extend(leave.make_way(joins(Role::ControlPlane), joins(Role::Worker)));
    plan.add("join nodes and apply addons", lanes);
    let joins = plan.actions().filter(|action| action.effects().node.is_new());
    let joining: BTreeSet<_> = joins.filter_map(Action::host).collect();
    let await_nodes = await_nodes(spec, observed, |host| joining.contains(host));
    plan.add("wait for the nodes", vec![await_nodes.into_iter().collect()]);
    plan.add("save etcd", vec![snapshot]);
    // Last, so that what runs on them has somewhere to go.
    if !upgrades {
        plan.add("remove nodes", leave.away());
    }
    plan
}

/// Where the cluster starts from.
enum Beginning<'a> {
    /// It has no control plane yet: this host gets the first one.
    Init {
        host: &'a str,
        resume: Option<String>,
        restore: Option<String>,
    },
    Running,
}

/// `None` where nothing can be planned: the cluster exists and its API is silent, or there is no way from its version.
fn beginning<'a>(wanted: &'a Wanted, observed: &Observed) -> Option<Beginning<'a>> {
    let spec = &wanted.spec;
    if let Some(restore) = wanted_restore(wanted, observed) {
        // Workers that outlived all control planes join again.
        return first_control_plane(wanted, observed).filter(|_| is_enough_for_new_machines(&restore));
    }
    let mut standings = spec.hosts().map(|(name, ..)| (name, standing(wanted, observed, name)));
    match observed.api_facts() {
        Some(_) if matches!(way(wanted, observed), Way::Back { .. } | Way::Skips { .. }) => None,
        Some(_)
            if standings
                .any(|(name, standing)| standing == Standing::Finished || is_node(&standing, observed, name)) =>
        {
            Some(Beginning::Running)
        }
        // A whole set of new machines takes over from those that leave.
        Some(_) if has_finished(wanted, observed) => Some(Beginning::Running),
        None if standings.any(|(_, standing)| standing == Standing::Finished) => None,
        None if has_finished(wanted, observed) => None,
        _ => first_control_plane(wanted, observed),
    }
}

/// The host on which an earlier run began, or else the first by name.
fn first_control_plane<'a>(wanted: &'a Wanted, observed: &Observed) -> Option<Beginning<'a>> {
    let is = |name: &str, is_it: fn(&Standing<'_>) -> bool| is_it(&standing(wanted, observed, name));
    // It may carry the cluster that would be recreated.
    if wanted.spec.hosts().any(|(name, ..)| is(name, |standing| matches!(standing, Standing::Damaged { .. }))) {
        return None;
    }
    let ours = |name: &&str| !is(name, |standing| matches!(standing, Standing::Foreign(_)));
    let begun = |name: &&str| {
        standing(wanted, observed, name) == Standing::Begun
            && observed.facts(name).is_some_and(|facts| leftover(facts, INIT_UNIT).is_some())
    };
    let names = || wanted.spec.control_plane.keys().map(String::as_str);
    let host = names().find(begun).or_else(|| names().find(ours))?;
    let resume = observed.facts(host).and_then(|facts| leftover(facts, INIT_UNIT));
    let restore = wanted_restore(wanted, observed).map(|restore| restore.source.to_string());
    Some(Beginning::Init { host, resume, restore })
}

/// One lane for each host that needs it; the first control plane starts as soon as its own host is prepared. Control
/// planes that work already share a lane, so that at most one of them restarts its container runtime at a time.
fn prepare_lanes(wanted: &Wanted, observed: &Observed, beginning: Beginning) -> Vec<Lane> {
    let spec = &wanted.spec;
    let kubernetes_version = spec.kubernetes_version;
    let (first, resume, restore) = match beginning {
        Beginning::Init { host, resume, restore } => (Some(host), resume, restore),
        Beginning::Running => (None, None, None),
    };
    let mut working = Lane::new();
    let mut lanes: Vec<Lane> = Vec::new();
    for (name, role, _) in spec.hosts() {
        let mut lane: Lane = preparation(wanted, observed, name, role).into_iter().collect();
        if first == Some(name) {
            let (host, resume, restore) = (name.to_owned(), resume.clone(), restore.clone());
            lane.push(Action::InitControlPlane { host, kubernetes_version, resume, restore });
        }
        if role == Role::ControlPlane && standing(wanted, observed, name) == Standing::Finished {
            working.extend(lane);
        } else {
            lanes.push(lane);
        }
    }
    lanes.push(working);
    lanes
}

pub(super) fn joins(wanted: &Wanted, observed: &Observed, role: Role, init: Option<&str>) -> Lane {
    let joins = wanted.spec.hosts().filter(|(name, its_role, _)| *its_role == role && init != Some(*name));
    joins.filter_map(|(name, ..)| join(wanted, observed, name, role)).collect()
}

fn join(wanted: &Wanted, observed: &Observed, name: &str, role: Role) -> Option<Action> {
    let standing = standing(wanted, observed, name);
    let lost_member = role == Role::ControlPlane && lost_its_member(wanted, observed, name);
    let was_reset = was_reset(wanted, observed, name);
    let is_node = is_node(&standing, observed, name) && !lost_member && !was_reset;
    // The kubelet of a control plane that lost nothing but its Node registers it again.
    let registers = role == Role::ControlPlane && lost_its_node(wanted, observed, name) && !was_reset;
    if is_node || registers || matches!(standing, Standing::Foreign(_) | Standing::Damaged { .. }) {
        return None;
    }
    let host = name.to_owned();
    let resume = match standing {
        Standing::Finished if is_abandoned(wanted, observed, name) => {
            Some("it has the data before the restore".to_owned())
        }
        Standing::Finished if was_reset => Some("it was reset and came no further".to_owned()),
        Standing::Finished if lost_member => Some("its member of etcd is gone".to_owned()),
        Standing::Finished => Some("its Node is gone".to_owned()),
        // Whoever made it a node was cut off before Terraform knew of it.
        Standing::Unseen if has_node(observed, name) => Some("unless it is one already".to_owned()),
        _ => observed.facts(name).and_then(|facts| leftover(facts, JOIN_UNIT)),
    };
    let resume = resume.or_else(|| has_node(observed, name).then(|| "in place of an earlier machine".to_owned()));
    Some(match role {
        Role::ControlPlane => Action::JoinControlPlane { host, resume },
        Role::Worker => Action::JoinWorker { host, resume },
    })
}

/// An addon is applied where the cluster has none, or another one than these settings make, or somebody changed it.
fn addon_lanes(wanted: &[WantedAddon], observed: &Observed) -> Vec<Lane> {
    let apply = |addon: &WantedAddon| {
        let there = observed.api_facts().and_then(|api| api.addons.get(addon.name));
        let same = there.filter(|there| addon.hash.as_ref() == Some(&there.hash));
        let drift = same.map(|there| there.drift.clone()).unwrap_or_default();
        (same.is_none() || !drift.is_empty()).then(|| vec![Action::ApplyAddon { addon: addon.name.to_owned(), drift }])
    };
    wanted.iter().filter_map(apply).collect()
}

/// New nodes, and those that are there and not ready. A node whose host cannot be reached is not waited for: it would
/// hold up all else.
pub(super) fn await_nodes(spec: &ClusterSpec, observed: &Observed, joining: impl Fn(&str) -> bool) -> Option<Action> {
    // Without a network plugin of ours no node gets ready before its user has brought one.
    if spec.cluster_network.cni == Cni::None {
        return None;
    }
    let not_ready = |name: &str| {
        let node = observed.api_facts().and_then(|api| api.nodes.get(name));
        observed.facts(name).is_some() && node.is_some_and(|node| !node.ready)
    };
    let hosts = spec.hosts().map(|(name, ..)| name).filter(|name| joining(name) || not_ready(name));
    let hosts: Vec<_> = hosts.map(str::to_owned).collect();
    if hosts.is_empty() { None } else { Some(Action::AwaitNodes { hosts }) }
}
