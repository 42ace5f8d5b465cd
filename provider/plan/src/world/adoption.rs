//! Laws of adoption: an imported cluster becomes ours despite any interruption, and only its markers change.

use kubeone_desired::host_files::rewritten_marker;
use kubeone_facts::MarkerFile;

use super::laws::{converge, create, finished, interruptions, same_cluster, spec};
use super::{Extent, World};
use crate::plan::{Action, plan_removal};
use crate::restore_record::recorded;

/// A cluster that another tool created, just imported.
fn imported() -> World {
    let mut world = finished(World::new(spec(3, 2, "none")));
    let names: Vec<_> = world.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
    for name in &names {
        world.made_by_hand(name);
    }
    world.api().nodes.values_mut().for_each(|node| node.ready = true);
    world.change_to(world.wanted.spec.clone());
    world.imported();
    world
}

impl World {
    /// Its last change is its only one.
    pub(super) fn rewrite_marker(&mut self, host: &str, extent: Extent) {
        if extent < Extent::Whole || self.observed.facts(host).unwrap().marker.damage().is_none() {
            return;
        }
        let (spec, uid) = (self.wanted.spec.clone(), self.api().cluster_uid.clone());
        let others = self.wanted.spec.control_plane.keys().filter(|name| *name != host);
        let last = others.filter_map(|name| Some(recorded(self.observed.facts(name)?)?.to_owned())).max();
        let is_member = self.members.iter().any(|member| member.name == host);
        let facts = self.facts(host);
        let mut marker = rewritten_marker(&spec, facts).finished(&spec, &uid);
        marker.restored = last.filter(|_| is_member);
        facts.marker = marker.into();
    }
}

#[test]
fn an_imported_cluster_is_adopted_despite_interruptions() {
    let world = imported();
    let plan = create(&world);
    assert_eq!(plan.actions().count(), 5, "{plan}");
    assert!(plan.actions().all(|action| matches!(action, Action::AdoptHost { .. })), "{plan}");
    let mut end = world.clone();
    converge(&mut end, create);
    for (what, mut world) in interruptions(&world, &plan) {
        converge(&mut world, create);
        same_cluster(&world, &end, &what);
    }
    for action in plan.actions() {
        let mut once = world.clone();
        once.run(action, Extent::Whole);
        let mut twice = once.clone();
        twice.run(action, Extent::Whole);
        assert_eq!(twice, once, "{action}");
    }
}

/// A power cut damages any of the markers, and any following action may be interrupted.
#[test]
fn damaged_markers_are_rewritten_despite_interruptions() {
    let end = finished(World::new(spec(3, 2, "canal")));
    let names: Vec<_> = end.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
    for damaged in 1..1_u32 << names.len() {
        let mut world = end.clone();
        let hit: Vec<_> = names.iter().enumerate().filter(|(n, _)| damaged & (1 << n) != 0).map(|(_, it)| it).collect();
        for name in &hit {
            world.facts(name).marker = MarkerFile::Unusable { reason: "it is empty".to_owned() };
        }
        world.change_to(end.wanted.spec.clone());
        let plan = create(&world);
        assert_eq!(plan.actions().filter_map(Action::host).collect::<Vec<_>>(), hit, "{plan}");
        assert!(plan.actions().all(|action| matches!(action, Action::RewriteMarker { .. })), "{plan}");
        for (what, mut world) in interruptions(&world, &plan) {
            converge(&mut world, create);
            assert!(names.iter().all(|name| world.observed.facts(name).unwrap().marker.as_ref().is_some()), "{what}");
        }
        // A removal leaves no host running.
        let mut removed = world.clone();
        for action in plan_removal(&removed.wanted, &removed.observed).actions() {
            removed.run(action, Extent::Whole);
        }
        assert!(names.iter().all(|name| removed.observed.facts(name).unwrap().marker.is_absent()));
    }
}
