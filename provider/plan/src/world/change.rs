//! Laws about machines that join and leave: after any interruption the next plan leads to the same result, etcd keeps
//! its quorum throughout, and machines that stay are not touched.

use std::collections::BTreeSet;

use kubeone_facts::HostState;
use kubeone_spec::{ClusterSpec, Severity};

use super::laws::{converge, create, interruptions, spec};
use super::{Extent, World};
use crate::check::check;
use crate::plan::plan_with_addons;

/// Settings before and after: control planes and workers as `name` or `name=machine`.
const CHANGES: [(&str, &str); 11] = [
    ("cp-1 | w-1", "cp-1 | w-1 w-2"),
    ("cp-1 | w-1 w-2 w-3", "cp-1 | w-2"),
    ("cp-1", "cp-1 cp-2 cp-3"),
    ("cp-1 cp-2 cp-3", "cp-3"),
    ("cp-1 cp-2 cp-3 | w-1", "cp-2 cp-3 cp-4 | w-2"),
    ("cp-1 cp-2 cp-3 | w-1", "cp-4 cp-5 cp-6 | w-2"),
    ("cp-1 cp-2 cp-3 | w-1 w-2", "cp-1=new cp-2 cp-3 | w-1=new w-2=new"),
    ("cp-1 cp-2 cp-3", "cp-1=new cp-2=new cp-3=new"),
    ("cp-1 cp-2 cp-3 cp-4 cp-5", "cp-1=new cp-2=new cp-3 cp-6"),
    ("cp-1 cp-2 cp-3 | w-1", "cp-1=same cp-2 cp-3 | w-1=same"),
    ("cp-1 cp-2 cp-3 | w-1 w-2", "cp-1 cp-2 cp-3 | w-1 w-3@w-2"),
];

fn settings(text: &str) -> ClusterSpec {
    let (control_planes, workers) = text.split_once(" | ").unwrap_or((text, ""));
    let hosts = |words: &str, net: u8| -> serde_json::Value {
        let host = |word: &str| {
            let (name, address_of) = word.split_once('@').unwrap_or((word, word));
            let (name, machine) = name.split_once('=').unwrap_or((name, "old"));
            let number: u8 = address_of.split('=').next().unwrap().rsplit('-').next().unwrap().parse().unwrap();
            let address = if machine == "new" { number + 100 } else { number };
            let value = serde_json::json!({ "address": format!("10.0.{net}.{address}"), "instance_id": machine });
            (name.to_owned(), value)
        };
        words.split_whitespace().map(host).collect::<serde_json::Map<_, _>>().into()
    };
    let mut settings = serde_json::to_value(spec(1, 0, "canal")).unwrap();
    settings["control_plane"] = hosts(control_planes, 1);
    settings["static_workers"] = hosts(workers, 2);
    serde_json::from_value(settings).unwrap()
}

/// The cluster before the change, with the change wanted.
fn changed(from: &str, to: &str) -> World {
    let mut world = World::new(settings(from));
    converge(&mut world, create);
    world.change_to(settings(to));
    world
}

/// The part of it that persists.
fn nodes_and_members(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    let nodes = world.observed.api_facts().unwrap().nodes.keys().cloned().collect();
    (nodes, world.members.iter().map(|member| member.name.clone()).collect())
}

#[track_caller]
fn is_as_wanted(world: &World) {
    let spec = &world.wanted.spec;
    let wanted = (
        spec.hosts().map(|(name, ..)| name.to_owned()).collect(),
        spec.control_plane.keys().cloned().collect::<BTreeSet<_>>(),
    );
    assert_eq!(nodes_and_members(world), wanted);
    for (name, node) in &world.observed.api_facts().unwrap().nodes {
        assert_eq!(
            node.machine_id,
            world.observed.facts(name).unwrap().machine_id,
            "{name} is the Node of another machine"
        );
    }
    for (name, state) in &world.observed.leaving {
        if let HostState::Reached(facts) = state {
            assert!(facts.marker.is_absent() && !facts.kubernetes.any(), "{name} was not reset");
        }
    }
}

#[test]
fn changes_complete_and_keep_quorum() {
    for (from, to) in CHANGES {
        let mut world = changed(from, to);
        for action in create(&world).actions() {
            for extent in [Extent::Early, Extent::Middle, Extent::Late, Extent::Whole] {
                world.run(action, extent);
                assert!(world.has_quorum(), "{from} → {to}: {action} {extent:?}");
            }
        }
        is_as_wanted(&world);
        let left = create(&world);
        assert!(left.is_empty(), "{from} → {to}:\n{left}");
    }
}

#[test]
fn changes_survive_any_interruption() {
    for (from, to) in CHANGES {
        let before = changed(from, to);
        for (what, mut world) in interruptions(&before, &create(&before)) {
            assert!(world.has_quorum(), "{from} → {to}: {what}");
            converge(&mut world, create);
            is_as_wanted(&world);
            // After the apply, Terraform plans again with the new settings as the earlier ones.
            let spec = world.wanted.spec.clone();
            world.change_to(spec);
            assert!(create(&world).is_empty(), "{from} → {to}: {what}");
        }
    }
}

#[test]
fn a_repeated_departure_changes_nothing() {
    for (from, to) in CHANGES {
        let mut world = changed(from, to);
        for action in create(&world).actions() {
            world.run(action, Extent::Whole);
            let once = world.clone();
            world.run(action, Extent::Whole);
            assert_eq!(world, once, "{from} → {to}: {action}");
        }
    }
}

#[test]
fn machines_that_stay_are_not_touched() {
    for (from, to) in CHANGES {
        let world = changed(from, to);
        let stays = |host: &str| {
            !world.wanted.leaving.contains_key(host)
                && world.observed.facts(host).is_some_and(|facts| facts.marker.as_ref().is_some())
                && !to.contains('@')
        };
        let plan = create(&world);
        assert!(
            plan.actions().filter_map(crate::plan::Action::host).all(|host| !stays(host)),
            "{from} → {to}:\n{plan}"
        );
    }
}

/// Whichever departing machines are dead, the plan is refused or completes with quorum.
#[test]
fn dead_machines_are_removed_or_the_plan_is_refused() {
    let mut carried_out = 0;
    for (from, to) in CHANGES {
        let leaving: Vec<String> = changed(from, to).wanted.leaving.keys().cloned().collect();
        for dead in 0..1_u32 << leaving.len() {
            let mut world = changed(from, to);
            for (number, name) in leaving.iter().enumerate() {
                if dead & (1 << number) != 0 {
                    world.kill_leaver(name);
                }
            }
            let plan = plan_with_addons(&world.wanted, &world.seen(), &world.addons);
            let findings = check(&world.wanted, &plan, &world.seen());
            if findings.iter().any(|finding| finding.severity == Severity::Error) || !world.has_quorum() {
                continue;
            }
            carried_out += 1;
            for action in plan.actions() {
                world.run(action, Extent::Whole);
                assert!(world.has_quorum(), "{from} → {to}: {action}");
            }
            is_as_wanted(&world);
        }
    }
    assert!(carried_out > 30, "only {carried_out} of the changes were carried out");
}
