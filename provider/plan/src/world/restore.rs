//! Restores in the simulated cluster, and their laws: despite any interruption the next plan leads to the same result;
//! changes after the snapshot are gone, and machines that missed the restore do not bring back the old cluster.

use kubeone_facts::{AddonState, ApiFacts, ApiState, BegunRestore, HostState, NodeFacts};
use kubeone_spec::{ClusterSpec, Restore, Severity};

use super::laws::{converge, create, finished, interruptions, same_cluster, spec};
use super::upgrade::images;
use super::{Extent, NOW, World, fresh_machine};
use crate::check::check;
use crate::plan::{Action, plan_with_addons};
use crate::restore::has_data_of;
use crate::restore_record::{is_earlier, recorded, when};
use crate::restore_record::{is_record_of, is_recorded, key_of, new_record};

impl World {
    fn is_recorded(&self, host: &str, what: &str) -> bool {
        self.observed.facts(host).unwrap().marker.as_ref().is_some_and(|marker| is_recorded(marker, what))
    }

    pub(super) fn prepare_restore(&mut self, host: &str, what: &str, extent: Extent) {
        if extent == Extent::Whole && !self.is_recorded(host, what) {
            self.checked = Some(host.to_owned());
        }
    }

    pub(super) fn stop_control_plane(&mut self, host: &str, what: &str, extent: Extent) {
        let is_over = |begun: &BegunRestore| self.is_recorded(host, &begun.what);
        if self.observed.facts(host).and_then(|facts| facts.restore.as_ref()).is_some_and(is_over) {
            self.end_restore(host);
        }
        let facts = self.facts(host);
        if facts.restore.as_ref().is_some_and(|begun| begun.replaced && begun.what == what) {
            return;
        }
        facts.restore = Some(BegunRestore { what: what.to_owned(), replaced: false });
        facts.unrecorded = true;
        if extent >= Extent::Middle {
            facts.kubernetes.static_pods.retain(|pod| pod == "etcd");
            facts.kubernetes.images.retain(|pod, _| pod == "etcd");
        }
        if extent >= Extent::Late {
            facts.kubernetes.static_pods.clear();
            facts.kubernetes.images.clear();
        }
        let serves = |name: &String| {
            let facts = self.observed.facts(name);
            facts.is_some_and(|facts| facts.kubernetes.images.contains_key("kube-apiserver"))
        };
        if !self.wanted.spec.control_plane.keys().any(serves) {
            self.silence();
        }
    }

    pub(super) fn restore_etcd(&mut self, host: &str, what: &str, extent: Extent) {
        if self.is_recorded(host, what) {
            return;
        }
        for (name, state) in &self.observed.hosts {
            let HostState::Reached(facts) = state else { continue };
            let runs = facts.kubernetes.static_pods.iter().any(|pod| pod == "etcd");
            let is_old = name != host && facts.marker.as_ref().is_some_and(|marker| marker.uid.is_some());
            assert!(!(runs && is_old), "etcd is restored on {host} while {name} runs with the old data");
        }
        let begun = BegunRestore { what: what.to_owned(), replaced: extent >= Extent::Middle };
        if !has_data_of(self.facts(host), what) {
            let is_own = self.wanted.spec.restore.as_ref().is_some_and(|restore| restore.survivor.is_some());
            assert!(is_own || self.checked.as_deref() == Some(host), "{what} was not checked on {host}");
            self.facts(host).restore = Some(begun);
        }
        if extent >= Extent::Late {
            let version = self.wanted.spec.kubernetes_version;
            let facts = self.facts(host);
            facts.kubelet_active = true;
            facts.kubernetes.images = images(version);
            facts.kubernetes.static_pods = facts.kubernetes.images.keys().cloned().collect();
            // Running pods are not started a second time.
            if !matches!(self.observed.api, ApiState::Answered(_)) {
                let data = self.restored_data();
                self.observed.api = ApiState::Answered(Box::new(data));
                self.unsaid = None;
            }
            self.begin_etcd(host, Extent::Whole);
            self.become_node(host, kubeone_spec::Role::ControlPlane, extent);
        }
        if extent == Extent::Whole {
            let wanted = self.wanted.spec.clone();
            self.api().nodes.retain(|name, _| wanted.host(name).is_some());
            self.remember_restore(host, what);
            self.end_restore(host);
            self.facts(host).unrecorded = false;
            self.checked = None;
        }
    }

    /// Removes the traces of a restore and the manifests that were kept aside.
    fn end_restore(&mut self, host: &str) {
        let facts = self.facts(host);
        let is_whole = facts.kubernetes.static_pods.len() == images(self.wanted.spec.kubernetes_version).len();
        assert!(is_whole, "the manifests that are held aside on {host} are deleted");
        self.facts(host).restore = None;
    }

    pub(super) fn remember_restore(&mut self, host: &str, what: &str) {
        let remember: Vec<String> = self.observed.hosts.values().filter_map(restored).collect();
        let same = remember.iter().find(|restored| is_record_of(restored, what)).cloned();
        let new = || new_record(NOW.parse().unwrap(), self.last_restore().as_deref(), what);
        self.facts(host).marker.as_mut().unwrap().restored = Some(same.unwrap_or_else(new));
    }

    pub(super) fn take_over_restore(&mut self, host: &str) {
        let restored = self.last_restore();
        self.facts(host).marker.as_mut().unwrap().restored = restored;
    }

    /// All records are believed in this world, unless a test says otherwise.
    fn last_restore(&self) -> Option<String> {
        let machines = self.observed.hosts.values().chain(self.observed.leaving.values());
        machines.filter_map(restored).max_by_key(|restored| when(restored))
    }

    pub(super) fn is_left_behind(&self, host: &str) -> bool {
        let facts = self.observed.facts(host).filter(|_| self.wanted.spec.control_plane.contains_key(host));
        facts.is_some_and(|facts| is_earlier(recorded(facts), self.last_restore().as_deref()))
    }

    fn restored_data(&self) -> ApiFacts {
        let restore = self.wanted.spec.restore.as_ref().unwrap();
        match restore.source().unwrap().snapshot() {
            Some(name) => self.saved.get(name).unwrap_or_else(|| panic!("{name} was never taken")).clone(),
            None => *self.unsaid.clone().unwrap(),
        }
    }

    pub(super) fn restored_without_nodes(&self) -> ApiFacts {
        ApiFacts { nodes: std::collections::BTreeMap::new(), ..self.restored_data() }
    }
}

fn restored(state: &HostState) -> Option<String> {
    match state {
        HostState::Reached(facts) => facts.marker.as_ref()?.restored.clone(),
        HostState::Unreachable { .. } | HostState::Refuses { .. } => None,
    }
}

const SNAPSHOT: &str = "prod-20260102T030405Z-r7-v1.36.3";

fn restoring(spec: &ClusterSpec, restore: Restore) -> ClusterSpec {
    let mut spec = spec.clone();
    spec.restore = Some(restore);
    spec.deletion.protection = false;
    spec
}

fn snapshot(path: &str) -> Restore {
    Restore { snapshot: Some(path.to_owned()), ..Restore::default() }
}

/// A cluster with a snapshot and later changes: an addon that is not ours, and a Node.
fn after_a_snapshot(control_planes: usize, workers: usize) -> World {
    let mut spec = spec(control_planes, workers, "canal");
    spec.backup.trigger = Some("first".to_owned());
    let mut world = finished(World::new(spec));
    world.api().addons.insert("later".to_owned(), AddonState::default());
    world.api().nodes.insert("later".to_owned(), NodeFacts::default());
    world
}

#[track_caller]
fn is_as_at_the_snapshot(world: &World) {
    let api = world.observed.api_facts().unwrap();
    assert!(!api.addons.contains_key("later") && !api.nodes.contains_key("later"));
    assert_eq!(world.members.len(), world.wanted.spec.control_plane.len());
    for name in world.wanted.spec.control_plane.keys() {
        assert!(!world.is_left_behind(name), "{name} of {:#?}", world.observed.facts(name).unwrap().marker);
        assert_eq!(world.observed.facts(name).unwrap().restore, None, "{name}");
    }
}

/// Before a restore to the same hosts, after various changes since the snapshot.
fn before_restores() -> Vec<World> {
    let shapes = [(1, 0), (1, 1), (3, 2), (5, 3)];
    let mut worlds: Vec<_> = shapes.into_iter().map(|(cp, w)| after_a_snapshot(cp, w)).collect();
    // A worker and a control plane that the snapshot does not contain, and a worker that has left since.
    let mut world = after_a_snapshot(3, 2);
    let mut changed = spec(5, 3, "canal");
    changed.backup.trigger = Some("first".to_owned());
    changed.static_workers.remove("w-1");
    world.change_to(changed);
    converge(&mut world, create);
    worlds.push(world);
    worlds.push({
        let mut world = after_a_snapshot(3, 1);
        world.silence();
        world
    });
    for world in &mut worlds {
        let spec = restoring(&world.wanted.spec, snapshot(SNAPSHOT));
        world.change_to(spec);
    }
    worlds
}

#[test]
fn a_restore_completes_despite_interruptions() {
    for before in before_restores() {
        let mut end = before.clone();
        converge(&mut end, create);
        is_as_at_the_snapshot(&end);
        for (what, mut world) in interruptions(&before, &create(&before)) {
            converge(&mut world, create);
            is_as_at_the_snapshot(&world);
            same_cluster(&world, &end, &what);
        }
    }
}

/// A bad snapshot must be detected while the cluster still works.
#[test]
fn nothing_stops_before_the_snapshot_is_verified() {
    for before in before_restores() {
        let plan = create(&before);
        let stage = |is_it: fn(&Action) -> bool| {
            plan.stages.iter().position(|stage| stage.lanes.iter().flatten().any(is_it)).unwrap()
        };
        let checked = stage(|action| matches!(action, Action::PrepareRestore { .. }));
        assert!(checked < stage(|action| matches!(action, Action::StopControlPlane { .. })), "{plan}");
    }
}

#[test]
fn a_repeated_restore_step_changes_nothing() {
    for mut world in before_restores() {
        for action in create(&world).actions() {
            world.run(action, Extent::Whole);
            let once = world.clone();
            world.run(action, Extent::Whole);
            assert_eq!(world, once, "{action}");
        }
    }
}

/// A restore runs once, whether or not the settings still ask for it; a new trigger requests it again.
#[test]
fn a_restore_runs_once() {
    let mut world = before_restores().remove(2);
    converge(&mut world, create);
    world.api().addons.insert("later".to_owned(), AddonState::default());
    let asks = world.wanted.spec.clone();
    world.change_to(ClusterSpec { restore: None, ..asks.clone() });
    assert!(create(&world).is_empty());
    world.change_to(asks.clone());
    assert!(create(&world).is_empty());
    let again = Restore { trigger: Some("again".to_owned()), ..snapshot(SNAPSHOT) };
    world.change_to(restoring(&asks, again));
    converge(&mut world, create);
    is_as_at_the_snapshot(&world);
}

#[test]
fn an_interrupted_restore_is_not_forgotten() {
    let before = before_restores().remove(2);
    let without = ClusterSpec { restore: None, ..before.wanted.spec.clone() };
    let survivor = Restore { survivor: Some("cp-2".to_owned()), ..Restore::default() };
    let mut refused = 0;
    for (what, mut world) in interruptions(&before, &create(&before)) {
        world.change_to(without.clone());
        let plan = plan_with_addons(&world.wanted, &world.seen(), &world.addons);
        let findings = check(&world.wanted, &plan, &world.seen());
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            refused += 1;
            assert!(plan.is_empty(), "{what}:\n{plan}");
            world.change_to(restoring(&without, survivor.clone()));
        }
        converge(&mut world, create);
    }
    assert!(refused > 5, "only {refused} interruptions left something to complete");
}

/// Two of three machines are lost for good. If they come back, they join the cluster that continued without them.
#[test]
fn a_cluster_continues_with_one_survivor() {
    let unreachable = || HostState::Unreachable { reason: "no route to host".to_owned() };
    for survivor in ["cp-1", "cp-2", "cp-3"] {
        let mut before = after_a_snapshot(3, 2);
        let lost: Vec<_> = ["cp-1", "cp-2", "cp-3"].into_iter().filter(|name| *name != survivor).collect();
        let machines: Vec<_> =
            lost.iter().map(|name| before.observed.hosts.insert((*name).to_owned(), unreachable())).collect();
        before.silence();
        let restore = Restore { survivor: Some(survivor.to_owned()), ..Restore::default() };
        before.change_to(restoring(&before.wanted.spec.clone(), restore));
        for (what, mut world) in interruptions(&before, &create(&before)) {
            converge(&mut world, create);
            assert!(world.api().addons.contains_key("later"), "{what}");
            assert_eq!(world.members.len(), 1, "{what}");
        }
        let mut world = before;
        converge(&mut world, create);
        for (name, machine) in lost.iter().zip(machines) {
            world.observed.hosts.insert((*name).to_owned(), machine.unwrap());
        }
        let plan = create(&world);
        let joins = plan.actions().filter(|action| matches!(action, Action::JoinControlPlane { .. }));
        assert_eq!(joins.filter_map(Action::host).collect::<Vec<_>>(), lost);
        for (_, mut world) in interruptions(&world, &plan) {
            converge(&mut world, create);
            assert_eq!(world.members.len(), 3);
        }
    }
}

/// All machines are lost, and the copy of the snapshot restores the cluster to new ones.
#[test]
fn a_lost_cluster_is_restored_to_new_machines() {
    for (control_planes, workers) in [(1, 1), (3, 2)] {
        let old = after_a_snapshot(control_planes, workers);
        let spec = restoring(&old.wanted.spec, snapshot(&format!("/copies/{SNAPSHOT}.age")));
        let mut before = World { saved: old.saved.clone(), ..World::new(spec.clone()) };
        let mut end = before.clone();
        converge(&mut end, create);
        is_as_at_the_snapshot(&end);
        assert_eq!(end.observed.api_facts().unwrap().nodes.len(), control_planes + workers);
        for (what, mut world) in interruptions(&before, &create(&before)) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
        // Without the keys nothing is created, least of all another cluster.
        for source in [SNAPSHOT.to_owned(), format!("/copies/{SNAPSHOT}.db")] {
            before.wanted.spec = restoring(&spec, snapshot(&source));
            let plan = plan_with_addons(&before.wanted, &before.seen(), &before.addons);
            assert!(plan.is_empty(), "{plan}");
            let findings = check(&before.wanted, &plan, &before.seen());
            assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
        }
        let machine = fresh_machine("cp-1");
        assert_eq!(before.observed.facts("cp-1"), Some(&machine));
    }
}

/// Restores that are requested one after the other: the same data again after other data.
fn restores_in_turn() -> Vec<[Restore; 3]> {
    let survivor = |host: &str| Restore { survivor: Some(host.to_owned()), ..Restore::default() };
    let again = |restore: Restore| Restore { trigger: Some("again".to_owned()), ..restore };
    vec![
        [snapshot(SNAPSHOT), survivor("cp-1"), snapshot(SNAPSHOT)],
        [survivor("cp-1"), snapshot(SNAPSHOT), survivor("cp-1")],
        [survivor("cp-2"), snapshot(SNAPSHOT), survivor("cp-2")],
        [survivor("cp-1"), survivor("cp-2"), survivor("cp-1")],
        [snapshot(SNAPSHOT), again(snapshot(SNAPSHOT)), again(survivor("cp-2"))],
    ]
}

/// The result of an interruption before the last step of a restore: it is recorded, and its traces are still there.
fn with_traces(world: &World, what: &str) -> World {
    let mut world = world.clone();
    for name in world.wanted.spec.control_plane.clone().into_keys() {
        let what = what.to_owned();
        world.facts(&name).restore = Some(BegunRestore { what, replaced: true });
    }
    world
}

/// Restoring A, then B, then A again restores A: despite interruptions, unreachable hosts and leftover traces.
#[test]
fn the_same_data_can_be_restored_again_after_other_data() {
    for [first, second, third] in restores_in_turn() {
        let mut world = after_a_snapshot(3, 1);
        let spec = world.wanted.spec.clone();
        for restore in [first, second] {
            world.change_to(restoring(&spec, restore));
            converge(&mut world, create);
        }
        // Each names what it restored; traces of those in between are gone.
        let before = world.observed.facts("cp-1").unwrap().marker.as_ref().unwrap().restored.clone().unwrap();
        world.api().addons.insert("since".to_owned(), AddonState::default());
        world.change_to(restoring(&spec, third.clone()));
        let plan = create(&world);
        assert!(plan.actions().any(|action| matches!(action, Action::RestoreEtcd { .. })), "{third:?}:\n{plan}");
        let traces = with_traces(&world, third.key().unwrap().as_str());
        for mut start in [world.clone(), traces] {
            for (what, mut world) in interruptions(&start, &create(&start)) {
                converge(&mut world, create);
                is_restored_once_more(&world, &third, &before, &what);
            }
            converge(&mut start, create);
            is_restored_once_more(&start, &third, &before, "nothing stopped it");
        }
    }
}

#[track_caller]
fn is_restored_once_more(world: &World, restore: &Restore, before: &str, what: &str) {
    for name in world.wanted.spec.control_plane.keys() {
        let facts = world.observed.facts(name).unwrap();
        let restored = recorded(facts).unwrap();
        assert_eq!(key_of(restored), restore.key().unwrap(), "{name}: {what}");
        assert!(is_earlier(Some(before), Some(restored)), "{name}: {what}");
        assert_eq!(facts.restore, None, "{name}: {what}");
        assert_eq!(facts.kubernetes.static_pods.len(), 4, "{name}: {what}");
    }
    let is_kept = world.observed.api_facts().unwrap().addons.contains_key("since");
    assert_eq!(is_kept, restore.survivor.is_some(), "{what}");
}

/// One control plane missed the restore in between, and still records the one that is requested now.
#[test]
fn a_control_plane_that_missed_a_restore_does_not_skip_the_next() {
    let survivor = || Restore { survivor: Some("cp-3".to_owned()), ..Restore::default() };
    let mut world = after_a_snapshot(3, 0);
    let spec = world.wanted.spec.clone();
    world.change_to(restoring(&spec, survivor()));
    converge(&mut world, create);
    let reason = "no route to host".to_owned();
    let machine = world.observed.hosts.insert("cp-3".to_owned(), HostState::Unreachable { reason }).unwrap();
    world.change_to(restoring(&spec, snapshot(SNAPSHOT)));
    converge(&mut world, create);
    world.observed.hosts.insert("cp-3".to_owned(), machine);
    let before = world.observed.facts("cp-1").unwrap().marker.as_ref().unwrap().restored.clone().unwrap();
    world.change_to(restoring(&spec, survivor()));
    let plan = create(&world);
    for (what, mut world) in interruptions(&world, &plan) {
        converge(&mut world, create);
        let facts = world.observed.facts("cp-3").unwrap();
        assert!(is_earlier(Some(&before), recorded(facts)), "{what}");
    }
}
