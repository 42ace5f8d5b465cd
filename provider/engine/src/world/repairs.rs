//! Laws of repair: whatever drifts on a host is put right there, nothing else is touched, and an interrupted repair is
//! completed by the next one.

use super::World;
use super::laws::{Dice, converge, create, finished, interruptions, same_cluster, spec};
use crate::plan::Action;
use crate::renewal::COMPONENT_CERTIFICATES;

/// The finished cluster that things happen to. It is looked at on [`super::NOW`].
fn cluster() -> World {
    finished(World::new(spec(3, 3, "canal")))
}

fn ends_soon(world: &mut World, host: &str) {
    for certificate in &COMPONENT_CERTIFICATES {
        world.facts(host).certificates.insert(certificate.path.to_owned(), "2026-03-20T00:00:00Z".to_owned());
    }
}

#[test]
fn certificates_are_renewed_where_they_end_and_nowhere_else() {
    for seed in 0..50 {
        let (end, mut dice) = (cluster(), Dice(seed));
        let mut world = end.clone();
        let due: Vec<_> = ["cp-1", "cp-2", "cp-3"].into_iter().filter(|_| dice.below(2) == 0).collect();
        for host in &due {
            ends_soon(&mut world, host);
        }
        let plan = create(&world);
        let renewed: Vec<_> = plan.actions().filter_map(Action::host).collect();
        assert_eq!(renewed, due, "{plan}");
        assert!(plan.actions().all(|action| matches!(action, Action::RenewCertificates { .. })), "{plan}");
        for (what, mut world) in interruptions(&world, &plan) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
        converge(&mut world, create);
        assert_eq!(world, end);
    }
}

#[test]
fn a_new_trigger_renews_all_control_planes_once() {
    let mut world = cluster();
    let mut spec = world.wanted.spec.clone();
    spec.certificates.renew_trigger = Some("after the audit".to_owned());
    world.change_to(spec);
    let plan = create(&world);
    assert_eq!(plan.actions().filter_map(Action::host).collect::<Vec<_>>(), ["cp-1", "cp-2", "cp-3"]);
    for (_, mut world) in interruptions(&world, &plan) {
        converge(&mut world, create);
    }
    // A cluster that is made with a trigger has new certificates already.
    let mut made = World::new(world.wanted.spec.clone());
    converge(&mut made, create);
}
