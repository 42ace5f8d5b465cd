//! How host settings change nodes of the simulated cluster, and laws about it: exactly the wanted nodes change, and
//! entries of other clients stay.

use std::collections::BTreeMap;

use kubeone_desired::control_plane::FOLDER;
use kubeone_desired::kubelet;
use kubeone_facts::{HostFacts, Marker, NodeSettings};
use kubeone_spec::{ClusterSpec, HostSpec, Role, Taint};
use serde_json::json;

use super::laws::{Dice, converge, create, finished, interruptions, same_cluster, spec};
use super::{Extent, World};
use crate::node_changes::{NodeChange, of_node};
use crate::plan::Action;

impl World {
    /// Taints change together with their ownership annotation; the marker is written last.
    pub(super) fn adopt(&mut self, host: &str, extent: Extent) {
        let (spec, uid) = (self.wanted.spec.clone(), self.wanted.uid.clone().unwrap_or_default());
        if self.facts(host).marker.as_ref().is_some() {
            return;
        }
        let role = self.role(host);
        let settings = self.settings(host);
        if extent >= Extent::Middle && settings.own_taints.is_none() && settings.taints != Taint::of_kubeadm(role) {
            crate::plan::own_all_taints(settings);
        }
        let facts = self.facts(host);
        if extent == Extent::Whole {
            facts.marker = Marker::adopted(&spec, &uid, &facts.packages).into();
        }
    }

    pub(super) fn configure(&mut self, host: &str, role: Role, what: &[NodeChange], extent: Extent) {
        self.set_on_node(host, role, extent);
        let spec = self.host_spec(host);
        if what.iter().any(|change| matches!(change, NodeChange::Kubelet { .. })) {
            let facts = self.facts(host);
            if extent >= Extent::Middle && !kubelet::changes(&spec.kubelet, facts).is_empty() {
                write_kubelet_settings(facts, &spec);
                facts.files.insert(kubelet::BEFORE.to_owned(), "before".to_owned());
                facts.kubelet_active = true;
                facts.disabled_services.retain(|service| service != "kubelet");
            }
            if extent == Extent::Whole {
                facts.files.remove(kubelet::BEFORE);
            }
        }
    }

    /// First labels and annotations, then taints.
    pub(super) fn set_on_node(&mut self, host: &str, role: Role, extent: Extent) {
        let spec = self.host_spec(host);
        let settings = self.settings(host);
        for change in of_node(&spec, role, settings) {
            match change {
                NodeChange::Taints { .. } if extent >= Extent::Middle => {
                    set_taints(settings, &spec.taints_as(role), role);
                }
                NodeChange::Labels { .. } | NodeChange::Annotations { .. } => {
                    settings.labels.clone_from(&spec.labels);
                    settings.annotations.clone_from(&spec.annotations);
                }
                _ => {}
            }
        }
    }

    /// Before the kubelet of a new node starts.
    pub(super) fn set_kubelet_before_start(&mut self, host: &str) {
        let spec = self.host_spec(host);
        write_kubelet_settings(self.facts(host), &spec);
    }

    /// Including the files that preparation leaves alone.
    pub(super) fn set_files(facts: &mut HostFacts, files: BTreeMap<String, String>) {
        facts.files.retain(|path, _| kubelet::FILES.contains(&path.as_str()) || path.starts_with(FOLDER));
        facts.files.extend(files);
    }

    pub(super) fn settings(&mut self, host: &str) -> &mut NodeSettings {
        &mut self.api().nodes.get_mut(host).unwrap_or_else(|| panic!("{host} has no Node")).settings
    }

    fn host_spec(&self, host: &str) -> HostSpec {
        self.wanted.spec.host(host).cloned().unwrap_or_else(|| panic!("{host} is not wanted"))
    }

    pub(super) fn role(&self, host: &str) -> Role {
        if self.wanted.spec.control_plane.contains_key(host) { Role::ControlPlane } else { Role::Worker }
    }
}

fn write_kubelet_settings(facts: &mut HostFacts, spec: &HostSpec) {
    kubelet::file(&spec.kubelet).unwrap().trim_end().clone_into(&mut facts.kubelet_settings);
    facts.files.retain(|path, _| !kubelet::FILES.contains(&path.as_str()));
    if !spec.kubelet.is_empty() {
        facts.files.insert(kubelet::SERVICE.to_owned(), kubelet::service_hash());
        facts.files.insert(kubelet::SETTINGS.to_owned(), format!("hash of {}", facts.kubelet_settings));
    }
}

fn set_taints(settings: &mut NodeSettings, wanted: &[Taint], role: Role) {
    let own = settings.own_taints.clone().unwrap_or_else(|| Taint::of_kubeadm(role));
    let replaced = |taint: &Taint| wanted.iter().any(|wanted| wanted.takes_the_place_of(taint));
    settings.taints.retain(|taint| !own.contains(taint) && !replaced(taint));
    settings.taints.extend(wanted.to_vec());
    settings.own_taints = Some(wanted.to_vec());
}

/// Settings of one host; each has a few possible values.
fn random_host(dice: &mut Dice) -> serde_json::Value {
    let mut host = json!({});
    if dice.below(2) == 0 {
        host["labels"] =
            [json!({}), json!({ "pool": "a" }), json!({ "pool": "b", "zone": "x" })][dice.below(3)].clone();
    }
    if dice.below(3) == 0 {
        let note = ["x", "y"][dice.below(2)];
        host["annotations"] = json!({ "note": note });
    }
    if dice.below(2) == 0 {
        let taint = |value: &str| json!({ "key": "dedicated", "value": value, "effect": "NoSchedule" });
        host["taints"] = [json!([]), json!([taint("db")]), json!([taint("web")])][dice.below(3)].clone();
    }
    if dice.below(2) == 0 {
        host["kubelet"] = [json!({}), json!({ "max_pods": 50 }), json!({ "max_pods": 200 })][dice.below(3)].clone();
    }
    host
}

fn random_settings(shape: &ClusterSpec, dice: &mut Dice) -> ClusterSpec {
    let mut settings = serde_json::to_value(shape).unwrap();
    for map in ["control_plane", "static_workers"] {
        for host in settings[map].as_object_mut().unwrap().values_mut() {
            let address = host["address"].clone();
            *host = random_host(dice);
            host["address"] = address;
        }
    }
    serde_json::from_value(settings).unwrap()
}

/// A finished cluster with changed host settings, and the names of the changed hosts.
fn changed(dice: &mut Dice) -> (World, Vec<String>) {
    let shape = spec(1 + 2 * dice.below(2), dice.below(4), "canal");
    let mut world = finished(World::new(random_settings(&shape, dice)));
    let before = world.wanted.spec.clone();
    let after = random_settings(&shape, dice);
    let is_other = |name: &str, role| {
        let (before, after) = (before.host(name).unwrap(), after.host(name).unwrap());
        let taints = |host: &HostSpec| host.taints_as(role);
        let rest = |host: &HostSpec| (host.labels.clone(), host.annotations.clone(), host.kubelet.clone());
        taints(before) != taints(after) || rest(before) != rest(after)
    };
    let others =
        after.hosts().filter(|(name, role, _)| is_other(name, *role)).map(|(name, ..)| name.to_owned()).collect();
    world.change_to(after);
    (world, others)
}

#[test]
fn only_nodes_with_changed_settings_change() {
    for seed in 0..60 {
        let (before, others) = changed(&mut Dice(seed));
        let plan = create(&before);
        let touched: Vec<_> = plan.actions().filter_map(Action::host).collect();
        let (mut expected, mut touched) = (others, touched);
        expected.sort_unstable();
        touched.sort_unstable();
        assert_eq!(touched, expected, "{plan}");
        let mut end = before.clone();
        converge(&mut end, create);
        for (what, mut world) in interruptions(&before, &plan) {
            converge(&mut world, create);
            same_cluster(&world, &end, &what);
        }
        for action in plan.actions() {
            let mut twice = before.clone();
            twice.run(action, Extent::Whole);
            let once = twice.clone();
            twice.run(action, Extent::Whole);
            assert_eq!(twice, once, "{action}");
        }
    }
}

/// A changed cluster equals one that had the settings from the start.
#[test]
fn a_changed_cluster_equals_one_created_with_the_settings() {
    for seed in 0..50 {
        let (mut changed, _) = changed(&mut Dice(seed));
        converge(&mut changed, create);
        let made = finished(World::new(changed.wanted.spec.clone()));
        for (name, role, _) in made.wanted.spec.hosts() {
            let nodes = |world: &World| world.observed.api_facts().unwrap().nodes[name].settings.clone();
            let (changed_node, made_node) = (nodes(&changed), nodes(&made));
            assert_eq!(changed_node.taints, made_node.taints, "{name} ({role})");
            assert_eq!(changed_node.labels, made_node.labels, "{name}");
            assert_eq!(changed_node.annotations, made_node.annotations, "{name}");
            let kubelet = |world: &World| world.observed.facts(name).unwrap().kubelet_settings.clone();
            assert_eq!(kubelet(&changed), kubelet(&made), "{name}");
        }
    }
}

#[test]
fn control_planes_restart_their_kubelets_one_by_one() {
    let mut world = finished(World::new(spec(3, 3, "canal")));
    let mut settings = world.wanted.spec.clone();
    for host in settings.control_plane.values_mut().chain(settings.static_workers.values_mut()) {
        host.kubelet.max_pods = Some(200);
    }
    world.change_to(settings);
    let plan = create(&world);
    let lengths: Vec<_> = plan.stages[0].lanes.iter().map(Vec::len).collect();
    assert_eq!((plan.stages.len(), lengths), (1, vec![3, 1, 1, 1]), "{plan}");
}

/// Entries of other clients stay, and removed entries of ours are restored.
#[test]
fn drift_of_our_entries_is_repaired_and_other_entries_stay() {
    let of_others: Taint = "of-others:NoExecute".parse().unwrap();
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let shape = spec(3, 3, "canal");
        let mut end = finished(World::new(random_settings(&shape, &mut dice)));
        for (name, ..) in shape.hosts() {
            end.settings(name).taints.insert(0, of_others.clone());
        }
        assert!(create(&end).is_empty());
        let mut world = end.clone();
        for (name, ..) in shape.hosts() {
            let settings = world.settings(name);
            match dice.below(3) {
                0 => settings.labels.clear(),
                1 => settings.taints.retain(|taint| *taint == of_others),
                _ => settings.annotations.clear(),
            }
        }
        converge(&mut world, create);
        for (name, ..) in shape.hosts() {
            let (world, end) = (world.settings(name).clone(), end.settings(name).clone());
            assert_eq!(
                (&world.taints, &world.labels, &world.annotations),
                (&end.taints, &end.labels, &end.annotations)
            );
        }
    }
}
