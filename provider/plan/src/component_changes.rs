//! How the components of a control plane differ from what the settings want. Plan and step decide by this alone.

use std::collections::BTreeMap;
use std::fmt;

use kubeone_desired::control_plane::{Component, Content, ControlPlane, FOLDER, fingerprint, sha256};
use kubeone_desired::host_files::is_adopted;
use kubeone_facts::{ComponentFacts, HostFacts};
use serde::{Deserialize, Serialize};

use crate::situation::Situation;
use crate::standing::Standing;

/// What is wanted of the control plane. A cluster that another tool made keeps its own arguments.
pub fn desired_control_plane(situation: &Situation<'_>) -> ControlPlane {
    if is_of_others(situation) { ControlPlane::of_adopted(situation.spec) } else { ControlPlane::of(situation.spec) }
}

/// Whether another tool made the cluster: one of its control planes was adopted, or is to be.
pub fn is_of_others(situation: &Situation<'_>) -> bool {
    situation.control_planes().iter().any(|host| {
        let has_damaged_marker = host.facts.is_some_and(|facts| facts.marker.damage().is_some());
        host.standing == Standing::Adoptable && !has_damaged_marker || host.facts.is_some_and(is_adopted)
    })
}

/// What changes in one component, which restarts for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentChange {
    /// The name of its static pod.
    pub component: String,
    /// Flags and files, as the plan shows them.
    pub what: Vec<String>,
}

impl fmt::Display for ComponentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, restart", self.component, self.what.join(", "))
    }
}

/// Longer values, such as lists of cipher suites, are not shown.
const LONGEST_VALUE: usize = 32;

/// The components that differ, in the order in which they are exchanged. One whose manifest is not there, or was not read,
/// is not judged.
pub fn component_changes(desired: &ControlPlane, facts: &HostFacts) -> Vec<ComponentChange> {
    let changes = Component::ALL.into_iter().filter_map(|component| {
        let runs = facts.kubernetes.components.get(component.name())?;
        let mut what = arguments(desired, component, runs, facts);
        what.extend(mounts(desired, component, runs, facts));
        what.extend(files(desired, component, facts));
        (!what.is_empty()).then(|| ComponentChange { component: component.name().to_owned(), what })
    });
    changes.collect()
}

fn arguments(desired: &ControlPlane, component: Component, runs: &ComponentFacts, facts: &HostFacts) -> Vec<String> {
    let wanted: BTreeMap<_, _> = desired.arguments(component).collect();
    let shown = |value: &str| {
        let value = if value.len() > LONGEST_VALUE { "…" } else { value };
        value.to_owned()
    };
    let mut changes = Vec::new();
    for (name, value) in &wanted {
        match runs.arguments.get(*name) {
            None => changes.push(format!("+ {name}={}", shown(value))),
            Some(present) if present == value => {}
            Some(present) => changes.push(format!("{name} {} → {}", shown(present), shown(value))),
        }
    }
    let ours = facts.configured.arguments.get(component.name()).into_iter().flatten();
    let gone = ours.filter(|name| !wanted.contains_key(name.as_str()) && runs.arguments.contains_key(*name));
    changes.extend(gone.map(|name| format!("- {name}")));
    changes
}

fn mounts(desired: &ControlPlane, component: Component, runs: &ComponentFacts, facts: &HostFacts) -> Vec<String> {
    let is_wanted = |name: &str| desired.mounts(component).iter().any(|mount| mount.name == name);
    let is_there = |name: &str| runs.mounts.iter().any(|mount| mount == name);
    let missing = desired.mounts(component).iter().filter(|mount| !is_there(mount.name));
    let missing = missing.map(|mount| format!("+ mount {}", mount.path));
    let ours = facts.configured.mounts.get(component.name()).into_iter().flatten();
    let gone = ours.filter(|name| !is_wanted(name) && is_there(name)).map(|name| format!("- mount {name}"));
    missing.chain(gone).collect()
}

fn files(desired: &ControlPlane, component: Component, facts: &HostFacts) -> Vec<String> {
    let own = desired.files().filter(|(_, file)| file.component == component);
    let change = |path: &str, content: &Content| {
        let is_there = facts.files.contains_key(path) || facts.configured.fingerprints.contains_key(path);
        let is_same = match content {
            Content::Public(text) => facts.files.get(path) == Some(&sha256(text)),
            Content::Secret(secret) => {
                facts.configured.fingerprints.get(path) == Some(&fingerprint(&facts.configured.salt, secret))
            }
            Content::Unknown => is_there,
        };
        (!is_same).then(|| if is_there { format!("change {path}") } else { format!("+ {path}") })
    };
    own.filter_map(|(path, file)| change(path, &file.content)).collect()
}

/// Files that earlier settings wanted and these do not. They go when nothing reads them any more.
pub fn stale_files(desired: &ControlPlane, facts: &HostFacts) -> Vec<String> {
    let is_wanted = |path: &str| desired.files().any(|(wanted, _)| wanted == path);
    // The record is what the host says.
    let is_ours =
        |path: &str| path.strip_prefix(FOLDER).is_some_and(|name| !name.contains('/') && !name.starts_with('.'));
    facts.configured.files.iter().filter(|path| is_ours(path) && !is_wanted(path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use kubeone_facts::KubernetesFiles;
    use kubeone_spec::ClusterSpec;
    use serde_json::{Value, json};

    use super::*;

    fn desired(more: &Value) -> ControlPlane {
        let mut spec = json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ControlPlane::of(&serde_json::from_value::<ClusterSpec>(spec).unwrap())
    }

    fn lines(desired: &ControlPlane, facts: &HostFacts) -> Vec<String> {
        component_changes(desired, facts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_runs_as_wanted_is_left_alone() {
        let desired = desired(&json!({ "audit": {} }));
        assert_eq!(lines(&desired, &running(&desired)), [""; 0]);
        assert_eq!(lines(&desired, &HostFacts::default()), [""; 0], "nothing was seen");
    }

    #[test]
    fn a_feature_comes_changes_and_goes() {
        let (without, with) = (desired(&json!({})), desired(&json!({ "audit": {} })));
        let came = lines(&with, &running(&without));
        assert_eq!(came.len(), 1, "{came:?}");
        assert!(came[0].starts_with("kube-apiserver: + audit-log-format=json, ") && came[0].ends_with("restart"));
        assert!(came[0].contains("+ mount /var/log/kubernetes/audit"), "{came:?}");
        let longer = desired(&json!({ "audit": { "log": { "max_age_days": 60 } } }));
        assert_eq!(lines(&longer, &running(&with)), ["kube-apiserver: audit-log-maxage 30 → 60, restart"]);
        let other =
            json!({ "audit": { "policy": "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]" } });
        assert_eq!(
            lines(&desired(&other), &running(&with)),
            ["kube-apiserver: change /etc/kubernetes/kubeone-files/audit-policy.yaml, restart"]
        );
        let gone = lines(&without, &running(&with));
        assert_eq!(gone.len(), 1);
        assert!(gone[0].contains("- audit-log-path") && gone[0].contains("- mount audit-log"), "{gone:?}");
        assert_eq!(stale_files(&without, &running(&with)), ["/etc/kubernetes/kubeone-files/audit-policy.yaml"]);
    }

    #[test]
    fn flags_of_others_stay() {
        let desired = desired(&json!({}));
        let mut facts = running(&desired);
        let api_server = facts.kubernetes.components.get_mut("kube-apiserver").unwrap();
        api_server.arguments.insert("oidc-issuer-url".to_owned(), "https://example.com".to_owned());
        api_server.mounts.push("theirs".to_owned());
        assert_eq!(lines(&desired, &facts), [""; 0]);
    }

    #[test]
    fn a_secret_is_judged_where_it_is_known() {
        let webhook = |secret: Option<&str>| {
            let mut webhook = json!({ "mode": "batch" });
            if let Some(secret) = secret {
                webhook["kubeconfig"] = secret.into();
            }
            desired(&json!({ "audit": { "webhook": webhook } }))
        };
        let facts = running(&webhook(Some("one")));
        assert_eq!(lines(&webhook(Some("one")), &facts), [""; 0]);
        assert_eq!(lines(&webhook(None), &facts), [""; 0]);
        let path = "/etc/kubernetes/kubeone-files/audit-webhook.yaml";
        assert_eq!(lines(&webhook(Some("other")), &facts), [format!("kube-apiserver: change {path}, restart")]);
    }

    /// A host on which this was configured.
    fn running(desired: &ControlPlane) -> HostFacts {
        let mut facts = HostFacts { kubernetes: KubernetesFiles::default(), ..HostFacts::default() };
        crate::world::run_components(&mut facts, desired);
        facts
    }
}
