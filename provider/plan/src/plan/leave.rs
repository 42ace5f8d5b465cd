//! Where in a plan machines leave. What is new comes first, so that capacity and quorum stay; only a machine whose name
//! another one takes goes before that one comes. Dead machines go first of all: until then their pods are waited for and
//! asked, and nothing is lost with them that was not lost before.

use std::collections::BTreeMap;

use kubeone_spec::Role;

use super::{Action, Lane};
use crate::leaving::Leaver;
use crate::situation::Situation;

/// Of so many workers, one may be emptied at a time: the others take its pods.
const WORKERS_FOR_EACH_EMPTIED: usize = 4;
/// More at once would only make the schedulers' work harder.
const MOST_EMPTIED_AT_ONCE: usize = 10;

/// The machines that leave and have something to leave behind.
pub(super) struct Leave<'s, 'a> {
    leavers: Vec<&'s Leaver<'a>>,
    workers: usize,
}

impl<'s, 'a> Leave<'s, 'a> {
    pub(super) fn new(situation: &'s Situation<'a>) -> Self {
        let leavers = situation.departing.iter().filter(|leaver| leaver.remains()).collect();
        let (spec, leaving) = (situation.spec, &situation.wanted.leaving);
        let dropped = leaving.keys().filter(|name| spec.host(name).is_none()).count();
        Self { leavers, workers: spec.static_workers.len() + dropped }
    }

    /// Lanes in which new machines join, each after the one whose name it takes.
    ///
    /// A member that joins etcd must be a full one before the next may come or go, so control planes share a lane.
    pub(super) fn make_way(&self, control_planes: Lane, workers: Lane) -> Vec<Lane> {
        let mut joins = by_host(control_planes);
        let mut exchanges = Lane::new();
        for leaver in self.of(Role::ControlPlane).filter(|leaver| leaver.lives()) {
            if let Some(successor) = leaver.successor {
                exchanges.push(remove(leaver));
                exchanges.extend(joins.remove(successor));
            }
        }
        let mut lanes = vec![joins.into_values().chain(exchanges).collect()];

        let mut joins = by_host(workers);
        let replaced = self.of(Role::Worker).filter(|leaver| leaver.lives() && leaver.successor.is_some());
        let exchanges = replaced.map(|leaver| {
            let join = leaver.successor.and_then(|successor| joins.remove(successor));
            std::iter::once(remove(leaver)).chain(join).collect()
        });
        let exchanges = exchanges.collect();
        lanes.extend(self.side_by_side(exchanges));
        lanes.extend(joins.into_values().map(|join| vec![join]));
        lanes
    }

    /// Lanes in which what dead machines left behind goes. Of etcd's members one after the other.
    pub(super) fn dead(&self) -> Vec<Lane> {
        let dead = |role| self.of(role).filter(|leaver| !leaver.lives()).map(remove);
        let control_planes: Lane = dead(Role::ControlPlane).collect();
        std::iter::once(control_planes).chain(dead(Role::Worker).map(|remove| vec![remove])).collect()
    }

    /// Lanes in which machines leave in good order whose place nobody takes.
    pub(super) fn away(&self) -> Vec<Lane> {
        let dropped = |role| {
            let leavers = self.of(role).filter(|leaver| leaver.lives() && leaver.successor.is_none());
            leavers.map(remove)
        };
        let mut lanes = vec![dropped(Role::ControlPlane).collect()];
        lanes.extend(self.side_by_side(dropped(Role::Worker).map(|remove| vec![remove]).collect()));
        lanes
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &'s Leaver<'a>> {
        self.leavers.iter().copied().filter(move |leaver| leaver.role == role)
    }

    /// Puts the work on workers that are emptied into as many lanes as may be emptied at the same time.
    fn side_by_side(&self, work: Vec<Lane>) -> Vec<Lane> {
        let at_once = (self.workers / WORKERS_FOR_EACH_EMPTIED).clamp(1, MOST_EMPTIED_AT_ONCE);
        let mut lanes = vec![Lane::new(); at_once];
        for (number, work) in work.into_iter().enumerate() {
            lanes[number % at_once].extend(work);
        }
        lanes
    }
}

fn remove(leaver: &Leaver) -> Action {
    let replaced = leaver.successor == Some(leaver.name);
    Action::RemoveNode { host: leaver.name.to_owned(), role: leaver.role, replaced }
}

fn by_host(joins: Lane) -> BTreeMap<String, Action> {
    joins.into_iter().filter_map(|join| Some((join.host()?.to_owned(), join))).collect()
}
