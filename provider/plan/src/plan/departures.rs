//! Plans when machines leave. New machines join first, so that capacity and quorum are kept; only a machine whose name
//! is reused leaves before its replacement joins. Dead machines are removed first of all, because other steps would
//! wait for their pods and nothing more is lost with them.

use std::collections::BTreeMap;

use kubeone_spec::Role;

use super::{Action, Lane};
use crate::departing::DepartingNode;
use crate::situation::Situation;

/// One worker may be drained at a time for each group of this size: the others take its pods.
const WORKERS_FOR_EACH_EMPTIED: usize = 4;
/// Draining more at once would only add to the work of the scheduler.
const MOST_EMPTIED_AT_ONCE: usize = 10;

/// The machines that leave and must be removed from the cluster.
pub(super) struct Departures<'s, 'a> {
    nodes: Vec<&'s DepartingNode<'a>>,
    workers: usize,
}

impl<'s, 'a> Departures<'s, 'a> {
    pub(super) fn new(situation: &'s Situation<'a>) -> Self {
        let nodes = situation.departing.iter().filter(|node| node.needs_removal()).collect();
        let (spec, leaving) = (situation.spec, &situation.wanted.leaving);
        let dropped = leaving.keys().filter(|name| spec.host(name).is_none()).count();
        Self { nodes, workers: spec.static_workers.len() + dropped }
    }

    /// Lanes in which new machines join, each after the one whose name it takes.
    ///
    /// An etcd member must be promoted before the next may join or leave, so control planes share a lane.
    pub(super) fn join_lanes(&self, control_planes: Lane, workers: Lane) -> Vec<Lane> {
        let mut joins = by_host(control_planes);
        let mut exchanges = Lane::new();
        for node in self.of(Role::ControlPlane).filter(|node| node.can_drain()) {
            if let Some(replacement) = node.replacement {
                exchanges.push(remove(node));
                exchanges.extend(joins.remove(replacement));
            }
        }
        let mut lanes = vec![joins.into_values().chain(exchanges).collect()];

        let mut joins = by_host(workers);
        let replaced = self.of(Role::Worker).filter(|node| node.can_drain() && node.replacement.is_some());
        let exchanges = replaced.map(|node| {
            let join = node.replacement.and_then(|replacement| joins.remove(replacement));
            std::iter::once(remove(node)).chain(join).collect()
        });
        let exchanges = exchanges.collect();
        lanes.extend(self.in_parallel(exchanges));
        lanes.extend(joins.into_values().map(|join| vec![join]));
        lanes
    }

    /// Lanes that remove dead machines from the cluster. Control planes share a lane, so that etcd members leave one by
    /// one.
    pub(super) fn dead_lanes(&self) -> Vec<Lane> {
        let dead = |role| self.of(role).filter(|node| !node.can_drain()).map(remove);
        let control_planes: Lane = dead(Role::ControlPlane).collect();
        std::iter::once(control_planes).chain(dead(Role::Worker).map(|remove| vec![remove])).collect()
    }

    /// Lanes in which machines without a replacement leave gracefully.
    pub(super) fn drain_lanes(&self) -> Vec<Lane> {
        let dropped = |role| {
            let nodes = self.of(role).filter(|node| node.can_drain() && node.replacement.is_none());
            nodes.map(remove)
        };
        let mut lanes = vec![dropped(Role::ControlPlane).collect()];
        lanes.extend(self.in_parallel(dropped(Role::Worker).map(|remove| vec![remove]).collect()));
        lanes
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &'s DepartingNode<'a>> {
        self.nodes.iter().copied().filter(move |node| node.role == role)
    }

    /// Distributes work that drains workers over as many lanes as may be drained in parallel.
    fn in_parallel(&self, work: Vec<Lane>) -> Vec<Lane> {
        let at_once = (self.workers / WORKERS_FOR_EACH_EMPTIED).clamp(1, MOST_EMPTIED_AT_ONCE);
        let mut lanes = vec![Lane::new(); at_once];
        for (number, work) in work.into_iter().enumerate() {
            lanes[number % at_once].extend(work);
        }
        lanes
    }
}

fn remove(node: &DepartingNode) -> Action {
    let replaced = node.replacement == Some(node.name);
    Action::RemoveNode { host: node.name.to_owned(), role: node.role, replaced }
}

fn by_host(joins: Lane) -> BTreeMap<String, Action> {
    joins.into_iter().filter_map(|join| Some((join.host()?.to_owned(), join))).collect()
}
