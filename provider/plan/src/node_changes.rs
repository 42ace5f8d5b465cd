//! Differences between a node and the settings of its host.

use std::collections::BTreeMap;
use std::fmt;

use kubeone_desired::kubelet;
use kubeone_facts::{HostFacts, NodeSettings};
use kubeone_spec::{HostSpec, Role, Taint};
use serde::{Deserialize, Serialize};

/// One kind of change. Display only: the step determines the changes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    Labels {
        set: Vec<String>,
        remove: Vec<String>,
    },
    /// Only keys, because values can be long.
    Annotations {
        set: Vec<String>,
        remove: Vec<String>,
    },
    Taints {
        set: Vec<String>,
        remove: Vec<String>,
    },
    /// The only change that is made on the host.
    Kubelet {
        changes: Vec<String>,
    },
}

impl fmt::Display for NodeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, set, remove) = match self {
            Self::Labels { set, remove } => ("labels", set, remove),
            Self::Annotations { set, remove } => ("annotations", set, remove),
            Self::Taints { set, remove } => ("taints", set, remove),
            Self::Kubelet { changes } => {
                return write!(f, "configure kubelet ({}), restart", changes.join(", "));
            }
        };
        if set.is_empty() {
            return write!(f, "remove {what} {}", remove.join(", "));
        }
        write!(f, "set {what} {}", set.join(", "))?;
        if remove.is_empty() { Ok(()) } else { write!(f, "; remove {what} {}", remove.join(", ")) }
    }
}

/// What to change on the Node. Entries of other clients are not touched.
pub fn of_node(host: &HostSpec, role: Role, node: &NodeSettings) -> Vec<NodeChange> {
    let (set, remove) = entries(&host.labels, &node.labels);
    let labels = NodeChange::Labels { set: set.map(|(key, value)| format!("{key}={value}")).collect(), remove };
    let (set, remove) = entries(&host.annotations, &node.annotations);
    let annotations = NodeChange::Annotations { set: set.map(|(key, _)| key.clone()).collect(), remove };
    let taints = taints(&host.taints_as(role), node, &Taint::of_kubeadm(role));
    let is_change = |change: &NodeChange| match change {
        NodeChange::Labels { set, remove }
        | NodeChange::Annotations { set, remove }
        | NodeChange::Taints { set, remove } => !set.is_empty() || !remove.is_empty(),
        NodeChange::Kubelet { .. } => true,
    };
    [labels, annotations, taints].into_iter().filter(is_change).collect()
}

/// What to change on the host.
pub fn of_host(host: &HostSpec, facts: &HostFacts) -> Option<NodeChange> {
    let changes = kubelet::changes(&host.kubelet, facts);
    (!changes.is_empty()).then_some(NodeChange::Kubelet { changes })
}

type Entries = BTreeMap<String, String>;

/// The entries to set, and the keys of our entries that are not wanted.
fn entries<'a>(
    wanted: &'a Entries,
    ours: &'a Entries,
) -> (impl Iterator<Item = (&'a String, &'a String)>, Vec<String>) {
    let set = wanted.iter().filter(|(key, value)| ours.get(*key) != Some(*value));
    (set, ours.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect())
}

/// Taints of kubeadm are ours if no ownership is recorded.
fn taints(wanted: &[Taint], node: &NodeSettings, of_kubeadm: &[Taint]) -> NodeChange {
    let ours = |taint: &&Taint| node.own_taints.as_deref().unwrap_or(of_kubeadm).contains(taint);
    let is_set = |taint: &&Taint| node.taints.contains(taint) && ours(taint);
    let replaced = |taint: &&Taint| wanted.iter().any(|wanted| wanted.takes_the_place_of(taint));
    let text = ToString::to_string;
    NodeChange::Taints {
        set: wanted.iter().filter(|taint| !is_set(taint)).map(text).collect(),
        remove: node.taints.iter().filter(ours).filter(|taint| !replaced(taint)).map(text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(settings: &Value, role: Role, node: &NodeSettings) -> Vec<String> {
        let mut host = json!({ "address": "10.0.0.1" });
        host.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let host = serde_json::from_value(host).unwrap();
        of_node(&host, role, node).iter().map(ToString::to_string).collect()
    }

    fn entries(entries: &[(&str, &str)]) -> Entries {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn taints(texts: &[&str]) -> Vec<Taint> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn labels_and_annotations_come_and_go() {
        let node = NodeSettings {
            labels: entries(&[("pool", "old"), ("zone", "a")]),
            annotations: entries(&[("note", "x")]),
            ..NodeSettings::default()
        };
        let wanted = json!({ "labels": { "pool": "general" }, "annotations": { "note": "x" } });
        assert_eq!(of(&wanted, Role::Worker, &node), ["set labels pool=general; remove labels zone"]);
        let nothing = ["remove labels pool, zone", "remove annotations note"];
        assert_eq!(of(&json!({}), Role::Worker, &node), nothing);
    }

    #[test]
    fn taints_of_other_clients_are_left_alone() {
        let node = NodeSettings {
            taints: taints(&["a=1:NoSchedule", "b:NoSchedule", "of-others:NoSchedule"]),
            own_taints: Some(taints(&["a=1:NoSchedule", "b:NoSchedule", "gone:NoSchedule"])),
            ..NodeSettings::default()
        };
        let wanted = json!({ "taints": [{ "key": "a", "value": "2", "effect": "NoSchedule" }] });
        assert_eq!(of(&wanted, Role::Worker, &node), ["set taints a=2:NoSchedule; remove taints b:NoSchedule"]);
        let same = json!({ "taints": [{ "key": "b", "effect": "NoSchedule" },
            { "key": "a", "value": "1", "effect": "NoSchedule" }] });
        assert_eq!(of(&same, Role::Worker, &node), [""; 0]);
        // It becomes ours, so it is removed with the setting.
        let adopting = json!({ "taints": [{ "key": "of-others", "effect": "NoSchedule" }] });
        assert_eq!(
            of(&adopting, Role::Worker, &node),
            ["set taints of-others:NoSchedule; remove taints a=1:NoSchedule, b:NoSchedule"]
        );
    }

    #[test]
    fn a_control_plane_has_the_taint_of_kubeadm_unless_told_otherwise() {
        let kubeadm = "node-role.kubernetes.io/control-plane:NoSchedule";
        let fresh = NodeSettings { taints: taints(&[kubeadm]), ..NodeSettings::default() };
        assert_eq!(of(&json!({}), Role::ControlPlane, &fresh), [""; 0]);
        let none = of(&json!({ "taints": [] }), Role::ControlPlane, &fresh);
        assert_eq!(none, [format!("remove taints {kubeadm}")]);
        let without_it = NodeSettings::default();
        let back = of(&json!({}), Role::ControlPlane, &without_it);
        assert_eq!(back, [format!("set taints {kubeadm}")]);
    }
}
