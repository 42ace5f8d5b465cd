//! Findings about the first settings after an import: whether they describe the cluster that is there.

use std::net::IpAddr;

use kubeone_facts::{ApiFacts, NodeFacts, Observed};
use kubeone_spec::{FieldPath, Finding, Hardening, Role};

use super::host_path;
use crate::component_changes::is_of_others;
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

pub(super) fn findings(wanted: &Wanted, observed: &Observed) -> Vec<Finding> {
    let Some(api) = observed.api_facts() else { return Vec::new() };
    let mut findings = other_runtimes(wanted, observed, api);
    findings.extend(own_arguments(wanted, observed));
    if !wanted.imported {
        return findings;
    }
    findings.extend(unnamed_nodes(wanted, api));
    for (name, role, _) in wanted.spec.hosts() {
        match api.nodes.get(name) {
            Some(node) => findings.extend(of_node(wanted, observed, name, role, node)),
            None => findings.extend(wrong_name(observed, api, name, role)),
        }
    }
    findings
}

/// A node that is to be adopted could neither be upgraded nor get new certificates.
fn other_runtimes(wanted: &Wanted, observed: &Observed, api: &ApiFacts) -> Vec<Finding> {
    let adoptable = wanted.spec.hosts().filter(|(name, ..)| standing(wanted, observed, name) == Standing::Adoptable);
    let finding = |(name, role, _): (&str, Role, _)| {
        let runtime = api.nodes.get(name)?.other_runtime()?;
        let detail = "This provider works with containerd alone. ";
        let advice = match role {
            Role::ControlPlane => "Move the node to containerd before the cluster is taken over.",
            Role::Worker => {
                "Move the node to containerd, or do not name it: it stays in the cluster and is not managed."
            }
        };
        let summary = format!("the node {name} runs its containers with {runtime}");
        Some(Finding::error(host_path(role, name), summary, format!("{detail}{advice}")))
    };
    adoptable.filter_map(finding).collect()
}

/// The components of a cluster that another tool made keep their arguments.
fn own_arguments(wanted: &Wanted, observed: &Observed) -> Vec<Finding> {
    let settings =
        [("audit", wanted.spec.audit.is_some()), ("hardening", wanted.spec.hardening != Hardening::default())];
    let ignored = settings.into_iter().filter(|(_, is_set)| *is_set && is_of_others(wanted, observed));
    let finding = |(name, _): (&str, bool)| {
        Finding::warning(
            FieldPath::root(name),
            format!("`{name}` has no effect on an imported cluster"),
            "The components of its control plane keep the arguments that the other tool gave them. Remove the attribute.",
        )
    };
    ignored.map(finding).collect()
}

/// A control plane that nobody names would be a member of etcd that nobody counts.
fn unnamed_nodes(wanted: &Wanted, api: &ApiFacts) -> Vec<Finding> {
    let unnamed = api.nodes.iter().filter(|(name, _)| wanted.spec.host(name).is_none());
    let finding = |(name, node): (&String, &NodeFacts)| {
        if node.control_plane {
            return Finding::error(
                host_path(Role::ControlPlane, name),
                format!("the settings do not name the control plane {name} of the imported cluster"),
                "Name all of its control planes, by the names of their nodes. One that shall go can be taken out after the \
                 next apply.",
            );
        }
        Finding::warning(
            host_path(Role::Worker, name),
            format!("the settings do not name the worker {name} of the imported cluster"),
            "It stays in the cluster and is not managed.",
        )
    };
    unnamed.map(finding).collect()
}

fn of_node(wanted: &Wanted, observed: &Observed, name: &str, role: Role, node: &NodeFacts) -> Option<Finding> {
    let host = wanted.spec.host(name)?;
    if let Some(facts) = observed.facts(name)
        && facts.machine_id != node.machine_id
    {
        return Some(Finding::error(
            host_path(role, name).field("address"),
            format!("{} is not the machine behind the node {name}", host.address),
            format!(
                "Its machine id is {}, that of the node is {}. Write the address of the machine that is in the cluster; \
                 another one can take its place after the next apply.",
                facts.machine_id, node.machine_id
            ),
        ));
    }
    let address: IpAddr = host.node_address().parse().ok()?;
    if node.internal_address.is_empty() || node.internal_address.parse() == Ok(address) {
        return None;
    }
    Some(Finding::error(
        host_path(role, name).field("private_address"),
        format!("the node {name} does not use the address {address} inside the cluster"),
        format!("It uses another one: set `private_address = \"{}\"`.", node.internal_address),
    ))
}

/// The key of a host is the name of its node.
fn wrong_name(observed: &Observed, api: &ApiFacts, name: &str, role: Role) -> Option<Finding> {
    let facts = observed.facts(name).filter(|facts| !facts.machine_id.is_empty())?;
    let (node, _) = api.nodes.iter().find(|(_, node)| node.machine_id == facts.machine_id)?;
    Some(Finding::error(
        host_path(role, name),
        format!("{name} is the node {node} of the imported cluster"),
        format!("The key of a host is the name of its node: write `{node}`."),
    ))
}
