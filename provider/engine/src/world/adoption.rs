//! Laws of adoption: a cluster that others made becomes ours whatever stops that, and nothing but its markers changes.

use super::World;
use super::laws::{converge, create, finished, interruptions, same_cluster, spec};
use crate::plan::Action;

/// A cluster that somebody made by hand, just imported.
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

#[test]
fn an_imported_cluster_is_adopted_whatever_stops_it() {
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
        once.run(action, super::Extent::Whole);
        let mut twice = once.clone();
        twice.run(action, super::Extent::Whole);
        assert_eq!(twice, once, "{action}");
    }
}
