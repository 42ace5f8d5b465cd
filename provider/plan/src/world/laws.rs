//! Laws for every plan: repeating an action changes nothing; after any interruption the next plans lead to the same
//! result; after success nothing is left to plan.

use std::collections::BTreeMap;

use kubeone_facts::{ApiState, HostFacts, HostState, SnapshotCause};
use kubeone_spec::{ClusterSpec, KubernetesVersion, Severity, UpgradeDrain};

use super::{Extent, INTERRUPTED, World, fresh_machine};
use crate::check::{check, check_removal};
use crate::plan::{Action, OnCluster, Plan, plan_removal, plan_with_addons};
use crate::standing::{Standing, standing};

/// A fixed pseudo-random sequence, so that failures can be reproduced.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

pub(super) fn spec(control_planes: usize, workers: usize, cni: &str) -> ClusterSpec {
    let hosts = |prefix: &str, count: usize, net: u8| -> serde_json::Value {
        let host = |n: usize| (format!("{prefix}-{n}"), serde_json::json!({ "address": format!("10.0.{net}.{n}") }));
        (1..=count).map(host).collect::<serde_json::Map<_, _>>().into()
    };
    serde_json::from_value(serde_json::json!({
        "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
        "cluster_network": { "cni": cni },
        "control_plane": hosts("cp", control_planes, 1), "static_workers": hosts("w", workers, 2),
    }))
    .unwrap()
}

/// What is planned for the world.
pub(super) type Planner = fn(&World) -> Plan;

pub(super) fn create(world: &World) -> Plan {
    let seen = world.seen();
    let plan = plan_with_addons(&world.wanted, &seen, &world.addons);
    let refused = check(&world.wanted, &plan, &seen);
    let refused: Vec<_> = refused.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(refused.is_empty(), "{refused:#?}\n{plan}");
    plan
}

fn remove(world: &World) -> Plan {
    let seen = world.seen();
    assert_eq!(check_removal(&world.wanted, &seen), []);
    plan_removal(&world.wanted, &seen)
}

fn run(world: &mut World, plan: &Plan) {
    plan.actions().for_each(|action| world.run(action, Extent::Whole));
}

/// Runs until nothing is planned. One run must be enough, whatever happened before.
pub(super) fn converge(world: &mut World, planner: Planner) {
    run(world, &planner(world));
    let left = planner(world);
    assert!(left.is_empty(), "after success there is still to do:\n{left}");
}

/// Every world in which the first stages of a plan are complete and one lane of the next one was interrupted.
pub(super) fn interruptions(before: &World, plan: &Plan) -> Vec<(String, World)> {
    let mut worlds = Vec::new();
    let mut done = before.clone();
    for stage in &plan.stages {
        for (number, lane) in stage.lanes.iter().enumerate() {
            for (position, action) in lane.iter().enumerate() {
                for extent in INTERRUPTED {
                    let mut world = done.clone();
                    let siblings = stage.lanes.iter().enumerate().filter(|(other, _)| *other != number);
                    siblings.flat_map(|(_, lane)| lane).for_each(|sibling| world.run(sibling, Extent::Whole));
                    lane[..position].iter().for_each(|action| world.run(action, Extent::Whole));
                    world.run(action, extent);
                    worlds.push((format!("{action} stopped {extent:?}"), world));
                }
            }
        }
        stage.lanes.iter().flatten().for_each(|action| done.run(action, Extent::Whole));
    }
    worlds
}

fn worlds() -> Vec<World> {
    let shapes = [(1, 0), (1, 1), (3, 2), (5, 3)];
    let worlds = shapes.into_iter().flat_map(|(cp, w)| ["canal", "none"].map(|cni| World::new(spec(cp, w, cni))));
    let with_snapshot = shapes.into_iter().map(|(cp, w)| {
        let mut spec = spec(cp, w, "canal");
        spec.backup.trigger = Some("first".to_owned());
        // Some are copied, too.
        spec.backup.copy_to = (w > 0).then(|| "/copies".to_owned());
        World::new(spec)
    });
    worlds.chain(with_snapshot).collect()
}

pub(super) fn finished(mut world: World) -> World {
    converge(&mut world, create);
    world
}

#[test]
fn a_repeated_action_changes_nothing() {
    let twice = |mut world: World, planner: Planner| {
        for action in planner(&world).actions() {
            world.run(action, Extent::Whole);
            let once = world.clone();
            world.run(action, Extent::Whole);
            assert_eq!(world, once, "{action}");
        }
    };
    for world in worlds() {
        twice(world.clone(), create);
        twice(finished(world), remove);
    }
}

#[test]
fn after_any_failure_the_next_plan_completes_the_cluster() {
    for world in worlds() {
        let end = finished(world.clone());
        for (what, mut world) in interruptions(&world, &create(&world)) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
    }
}

#[test]
fn after_any_failure_the_next_removal_cleans_the_hosts() {
    for world in worlds() {
        let before = finished(world);
        let mut end = before.clone();
        converge(&mut end, remove);
        for (what, mut world) in interruptions(&before, &remove(&before)) {
            converge(&mut world, remove);
            assert_eq!(world, end, "{what}");
        }
    }
}

#[test]
fn an_incomplete_cluster_can_be_removed_and_recreated() {
    for world in worlds() {
        for (_, mut world) in interruptions(&world, &create(&world)) {
            converge(&mut world, remove);
            converge(&mut world, create);
        }
    }
}

/// Starts a run and interrupts it, each lane at another point.
fn kill_somewhere(world: &mut World, plan: &Plan, dice: &mut Dice) {
    let stages = dice.below(plan.stages.len() + 1);
    for action in plan.stages[..stages].iter().flat_map(|stage| &stage.lanes).flatten() {
        world.run(action, Extent::Whole);
    }
    let Some(stage) = plan.stages.get(stages) else { return };
    for lane in &stage.lanes {
        let position = dice.below(lane.len() + 1);
        lane[..position].iter().for_each(|action| world.run(action, Extent::Whole));
        if let Some(action) = lane.get(position) {
            world.run(action, INTERRUPTED[dice.below(3)]);
        }
    }
}

fn random_world(dice: &mut Dice) -> World {
    let cni = ["canal", "none"][dice.below(2)];
    World::new(spec(1 + 2 * dice.below(3), dice.below(5), cni))
}

#[test]
fn a_create_completes_despite_repeated_interruptions() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut world = random_world(&mut dice);
        for _ in 0..dice.below(6) {
            let plan = create(&world);
            kill_somewhere(&mut world, &plan, &mut dice);
        }
        converge(&mut world, create);
    }
}

/// Whatever is observed: foreign hosts are not touched, no second cluster is created, and the plan is refused if it has
/// actions for a host that is unreachable or foreign.
#[test]
fn no_observation_leads_to_a_dangerous_plan() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let mut world = random_world(&mut dice);
        let plan = create(&world);
        kill_somewhere(&mut world, &plan, &mut dice);
        let names: Vec<_> = world.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
        let (mut foreign, mut out_of_reach) = (Vec::new(), Vec::new());
        for name in &names {
            match dice.below(8) {
                0 => {
                    let machine = HostFacts { kubelet_active: true, ..fresh_machine(name) };
                    world.observed.hosts.insert(name.clone(), HostState::Reached(Box::new(machine)));
                    foreign.push(name.as_str());
                }
                1 => {
                    let reason = "no route to host".to_owned();
                    world.observed.hosts.insert(name.clone(), HostState::Unreachable { reason });
                    out_of_reach.push(name.as_str());
                }
                _ => {}
            }
        }
        let seen = world.seen();
        let plan = plan_with_addons(&world.wanted, &seen, &world.addons);
        let findings = check(&world.wanted, &plan, &seen);
        let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
        assert!(plan.actions().all(|action| !foreign.iter().any(|name| action.host() == Some(name))), "{plan}");
        assert!(refused || foreign.is_empty());
        assert!(refused || plan.actions().all(|action| !out_of_reach.iter().any(|name| action.host() == Some(name))));
        let begins = plan.actions().any(|action| action.effects().cluster == OnCluster::Creates);
        let exists = names.iter().any(|name| standing(&world.wanted, &world.observed, name) == Standing::Finished);
        assert!(!(begins && exists), "{plan}");
        assert!(
            findings.iter().all(|finding| !finding.path.0.is_empty()),
            "a finding about the plan itself: {findings:#?}"
        );
    }
}

/// Drift of finished hosts is repaired, and nothing else is touched.
#[test]
fn drift_is_repaired_only_on_its_host() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let end = finished(World::new(spec(3, 3, "canal")));
        let mut world = end.clone();
        let names: Vec<_> = end.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
        let name = &names[dice.below(names.len())];
        let facts = world.facts(name);
        match dice.below(5) {
            0 => facts.files = facts.files.keys().map(|path| (path.clone(), "edited".to_owned())).collect(),
            1 => facts.swap_active = true,
            2 => facts.containerd_active = false,
            3 => facts.damaged.push("/usr/bin/kubelet".to_owned()),
            _ => facts.packages.kubectl.clear(),
        }
        let plan = create(&world);
        assert!(plan.actions().all(|action| action.host() == Some(name)), "{plan}");
        converge(&mut world, create);
        assert_eq!(world, end);
    }
}

/// Unit results remain, control planes may miss a snapshot's description, and upgrades leave snapshots behind. Two ways
/// to the same cluster may differ only in this.
pub(super) fn same_cluster(left: &World, right: &World, what: &str) {
    let without_units = |world: &World| {
        let mut world = World { saved: BTreeMap::new(), checked: None, ..world.clone() };
        let names: Vec<_> = world.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect();
        for name in &names {
            let facts = world.facts(name);
            facts.units.clear();
            facts.snapshots.retain(|it| it.held && !matches!(it.snapshot.cause, SnapshotCause::BeforeUpgrade(_)));
        }
        if let ApiState::Answered(api) = &mut world.observed.api {
            api.addons.values_mut().for_each(|addon| addon.ready = true);
        }
        world
    };
    assert_eq!(without_units(left), without_units(right), "{what}");
}

/// A cluster of an older version whose settings ask for a newer one.
fn before_upgrade(world: World, max_unavailable: &str) -> World {
    let mut world = finished(world);
    // Clusters without our network plugin have one from the user.
    world.api().nodes.values_mut().for_each(|node| node.ready = true);
    world.runs(KubernetesVersion::new(1, 35, 4));
    let mut spec = world.wanted.spec.clone();
    spec.upgrade.max_unavailable = max_unavailable.parse().unwrap();
    world.change_to(spec);
    world
}

#[test]
fn an_upgrade_completes_despite_interruptions() {
    for world in worlds() {
        for max_unavailable in ["1", "50%"] {
            let before = before_upgrade(world.clone(), max_unavailable);
            let mut end = before.clone();
            converge(&mut end, create);
            let mut fresh = finished(World { wanted: end.wanted.clone(), ..world.clone() });
            fresh.api().nodes.values_mut().for_each(|node| node.ready = true);
            same_cluster(&end, &fresh, "an upgrade");
            for action in create(&before).actions() {
                let mut twice = before.clone();
                run_until(&mut twice, &create(&before), action);
                let once = twice.clone();
                twice.run(action, Extent::Whole);
                assert_eq!(twice, once, "{action}");
            }
            for (what, mut world) in interruptions(&before, &create(&before)) {
                converge(&mut world, create);
                same_cluster(&world, &end, &what);
            }
        }
    }
}

/// Runs a plan up to and including this action.
fn run_until(world: &mut World, plan: &Plan, last: &Action) {
    for action in plan.actions() {
        world.run(action, Extent::Whole);
        if action == last {
            return;
        }
    }
}

#[test]
fn an_upgrade_completes_despite_repeated_interruptions() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut world = before_upgrade(random_world(&mut dice), ["1", "2"][dice.below(2)]);
        for _ in 0..dice.below(6) {
            let plan = create(&world);
            kill_somewhere(&mut world, &plan, &mut dice);
        }
        converge(&mut world, create);
    }
}

/// A node cordoned by the user stays cordoned; our cordons are removed.
#[test]
fn only_the_users_cordons_remain_after_an_upgrade() {
    let mut before = before_upgrade(World::new(spec(3, 2, "canal")), "1");
    before.api().nodes.get_mut("w-1").unwrap().unschedulable = true;
    for (what, mut world) in interruptions(&before, &create(&before)) {
        converge(&mut world, create);
        let cordoned: Vec<_> = world.api().nodes.iter().filter(|(_, node)| node.unschedulable).collect();
        assert_eq!(cordoned.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["w-1"], "{what}");
    }
}

/// Clusters whose hosts offer another containerd than the installed one, or whose settings pin one.
fn before_containerd(dice: &mut Dice) -> World {
    let mut world = finished(random_world(dice));
    world.api().nodes.values_mut().for_each(|node| node.ready = true);
    let mut spec = world.wanted.spec.clone();
    spec.upgrade.max_unavailable = ["1", "50%"][dice.below(2)].parse().unwrap();
    spec.upgrade.drain = [UpgradeDrain::Always, UpgradeDrain::Minor][dice.below(2)];
    spec.containerd.version = [None, Some("2.2.11".parse().unwrap())][dice.below(2)];
    world.change_to(spec);
    for name in world.wanted.spec.hosts().map(|(name, ..)| name.to_owned()).collect::<Vec<_>>() {
        let offered = ["2.2.9", "2.2.10", "2.3.0"][..=dice.below(3)].iter().map(|version| version.parse().unwrap());
        world.facts(&name).containerd_offered = offered.collect();
    }
    world
}

/// Despite repeated interruptions, each node ends with the newest patch release that it offered, or the pinned version,
/// and uncordoned. Only one control plane changes at a time, and the lists of one host do not affect others.
#[test]
fn every_node_gets_its_containerd_version() {
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let mut world = before_containerd(&mut dice);
        for _ in 0..dice.below(5) {
            let plan = create(&world);
            kill_somewhere(&mut world, &plan, &mut dice);
        }
        for stage in &create(&world).stages {
            let is_control_plane = |host: &str| world.wanted.spec.control_plane.contains_key(host);
            let restarts =
                |action: &Action| action.effects().restarts_containerd && action.host().is_some_and(is_control_plane);
            assert!(stage.lanes.iter().filter(|lane| lane.iter().any(restarts)).count() <= 1, "{stage:?}");
        }
        converge(&mut world, create);
        for (name, ..) in world.wanted.spec.hosts() {
            let facts = world.observed.facts(name).unwrap();
            let offers = |version: &str| facts.containerd_offered.contains(&version.parse().unwrap());
            let newest = if offers("2.2.10") { "2.2.10" } else { "2.2.9" };
            let expected = world.wanted.spec.containerd.version.map_or(newest.to_owned(), |pinned| pinned.to_string());
            assert_eq!(facts.packages.containerd, expected, "{name}, seed {seed}");
        }
        assert!(world.api().nodes.values().all(|node| !node.unschedulable));
    }
}

/// Each interruption leads to the result of an uninterrupted run.
#[test]
fn a_containerd_change_completes_despite_interruptions() {
    for seed in 0..6 {
        let before = before_containerd(&mut Dice(seed));
        let mut end = before.clone();
        converge(&mut end, create);
        for (what, mut world) in interruptions(&before, &create(&before)) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
    }
}
