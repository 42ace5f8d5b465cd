//! From what was observed to the computed attributes of the resource.

use std::collections::BTreeMap;

use kubeone_facts::{ApiFacts, HostFacts, NodeFacts, Observed};
use kubeone_plan::Plan;
use kubeone_spec::{ApiEndpoint, ClusterSpec, ClusterStatus, NodeStatus, Role};
use serde::Serialize;
use tfplugin::{Diagnostic, Type, Value, visible_line};

use crate::diagnostics::chain;
use crate::host_keys;

/// The URL of the Kubernetes API.
pub(crate) fn endpoint(api: &ApiEndpoint) -> String {
    format!("https://{api}")
}

/// The status after a look at the cluster. What could not be seen keeps its prior value, so that a cluster that does
/// not answer for a moment causes no difference. The steps are not observed; they are carried over.
pub(crate) fn status(spec: &ClusterSpec, observed: &Observed, prior: &ClusterStatus) -> ClusterStatus {
    let ssh_host_keys = host_keys::after(spec, observed, &prior.ssh_host_keys);
    let mut status = ClusterStatus { endpoint: endpoint(&spec.api_endpoint), ssh_host_keys, ..prior.clone() };
    if let Some(api) = observed.api_facts() {
        keep_unless_seen(&mut status.id, &api.cluster_uid);
        keep_unless_seen(&mut status.ca_certificate, &api.ca_certificate);
        status.nodes = nodes(spec, observed, api, &prior.nodes);
    }
    status
}

/// The computed attributes of a state.
pub(crate) fn read_status(state: &Value) -> Result<ClusterStatus, Diagnostic> {
    state.decode().map_err(|error| Diagnostic::bug("the state cannot be read", chain(&error)))
}

/// Adds what Terraform expects in a state: each attribute of each object, null where nothing is written.
pub(crate) fn complete(value: Value, ty: &Type) -> Value {
    match (value, ty) {
        (Value::Map(mut members), Type::Object(types)) => {
            let member =
                |(name, ty): (&String, &Type)| (name.clone(), complete(members.remove(name).unwrap_or_default(), ty));
            Value::Map(types.iter().map(member).collect::<BTreeMap<_, _>>())
        }
        (Value::Map(members), Type::Map(element)) => {
            Value::Map(members.into_iter().map(|(key, value)| (key, complete(value, element))).collect())
        }
        (Value::List(elements), Type::List(element) | Type::Set(element)) => {
            Value::List(elements.into_iter().map(|value| complete(value, element)).collect())
        }
        (other, _) => other,
    }
}

/// Brings the computed attributes of a state up to date.
pub(crate) fn write(state: &mut Value, status: &ClusterStatus) -> Result<(), Diagnostic> {
    let status = encode(status)?;
    for (name, value) in status.as_map().into_iter().flatten() {
        state.set(&name.as_str().into(), value.clone());
    }
    Ok(())
}

/// Gives what the plan left open its value. What the plan promised stays.
pub(crate) fn fill_unknown(planned: &mut Value, status: &ClusterStatus) -> Result<(), Diagnostic> {
    fill(planned, &encode(status)?);
    Ok(())
}

fn fill(planned: &mut Value, seen: &Value) {
    match planned {
        Value::Unknown(_) => seen.clone_into(planned),
        Value::Map(parts) => parts.iter_mut().for_each(|(name, part)| fill(part, seen.attribute(name))),
        _ => {}
    }
}

/// What was observed, as a value. Hosts and the API had a say in it, and Terraform prints text of several lines as it is.
pub(crate) fn encode(seen: &impl Serialize) -> Result<Value, Diagnostic> {
    let value = Value::encode(seen);
    value.map(Value::visible).map_err(|error| Diagnostic::bug("the status cannot be written", chain(&error)))
}

/// The steps of a plan, a line each.
pub(crate) fn steps(plan: &Plan) -> Value {
    Value::list(plan.lines().iter().map(|line| visible_line(line).into_owned()))
}

fn nodes(
    spec: &ClusterSpec,
    observed: &Observed,
    api: &ApiFacts,
    prior: &BTreeMap<String, NodeStatus>,
) -> BTreeMap<String, NodeStatus> {
    spec.hosts()
        .filter_map(|(name, role, _)| {
            let seen = node(role, api.nodes.get(name)?, observed.facts(name), prior.get(name));
            Some((name.to_owned(), seen))
        })
        .collect()
}

fn node(role: Role, node: &NodeFacts, host: Option<&HostFacts>, prior: Option<&NodeStatus>) -> NodeStatus {
    let mut status = prior.cloned().unwrap_or_default();
    let role = match role {
        Role::ControlPlane => "control_plane",
        Role::Worker => "worker",
    };
    role.clone_into(&mut status.role);
    keep_unless_seen(&mut status.kubelet_version, &node.kubelet_version);
    keep_unless_seen(&mut status.container_runtime_version, &node.container_runtime_version);
    if let Some(host) = host {
        let system = format!("{} {}", host.os.id, host.os.version_id);
        keep_unless_seen(&mut status.operating_system, system.trim());
        keep_unless_seen(&mut status.architecture, &host.architecture);
        keep_unless_seen(&mut status.ssh_host_key, &host.ssh_host_key);
    }
    status
}

fn keep_unless_seen(kept: &mut String, seen: &str) {
    if !seen.is_empty() {
        seen.clone_into(kept);
    }
}

#[cfg(test)]
mod tests {
    use kubeone_plan::{Action, Stage};

    use super::*;

    const HOSTILE: &str = "debian\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    const SHOWN: &str = r"debian\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";

    #[test]
    fn what_hosts_say_reaches_the_state_as_visible_text() {
        let node = NodeStatus { operating_system: HOSTILE.to_owned(), ..NodeStatus::default() };
        let status = ClusterStatus { nodes: BTreeMap::from([("cp-1".to_owned(), node)]), ..ClusterStatus::default() };
        let mut state = Value::object([("nodes", Value::Null)]);
        write(&mut state, &status).unwrap();
        let seen = state.attribute("nodes").attribute("cp-1").attribute("operating_system").clone();
        assert_eq!(seen, Value::from(SHOWN));
    }

    #[test]
    fn a_step_is_one_line() {
        let addon = Action::ApplyAddon { addon: "canal".to_owned(), drift: vec![format!("{HOSTILE}\nall is well")] };
        let plan = Plan { stages: vec![Stage { title: "addons".to_owned(), lanes: vec![vec![addon]] }] };
        let steps = steps(&plan);
        let [Value::String(step)] = steps.as_list().unwrap() else { panic!("{steps:?}") };
        assert!(step.contains(&format!(r"{SHOWN}\u{{a}}all is well")), "{step}");
    }
}
