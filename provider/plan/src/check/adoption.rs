//! Findings about the first settings after an import: whether they describe the imported cluster.

use std::net::IpAddr;

use kubeone_facts::{ApiFacts, NodeFacts};
use kubeone_spec::{ClusterSpec, FieldPath, Finding, Hardening, Role};

use super::host_path;
use crate::component_changes::is_of_others;
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;

pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let Some(api) = situation.observed.api_facts() else { return Vec::new() };
    let mut findings = other_runtimes(situation);
    findings.extend(own_arguments(situation));
    if !situation.wanted.imported {
        return findings;
    }
    findings.extend(unnamed_nodes(situation.spec, api));
    for host in situation.hosts() {
        match host.node {
            Some(node) => findings.extend(of_node(host, node)),
            None => findings.extend(wrong_name(api, host)),
        }
    }
    findings
}

/// Upgrades and certificate renewals need containerd.
fn other_runtimes(situation: &Situation<'_>) -> Vec<Finding> {
    let adoptable = situation.hosts().filter(|host| host.standing == Standing::Adoptable);
    let finding = |host: &HostSituation<'_>| {
        let (name, role) = (host.name, host.role);
        let runtime = host.node?.other_runtime()?;
        let detail = "This provider supports containerd only. ";
        let advice = match role {
            Role::ControlPlane => "Migrate the node to containerd before you import the cluster.",
            Role::Worker => {
                "Migrate the node to containerd, or leave it out of `static_workers`: it stays in the cluster unmanaged."
            }
        };
        let summary = format!("the node {name} uses the container runtime {runtime}");
        Some(Finding::error(host_path(role, name), summary, format!("{detail}{advice}")))
    };
    adoptable.filter_map(finding).collect()
}

/// The components of a cluster that another tool made keep their arguments.
fn own_arguments(situation: &Situation<'_>) -> Vec<Finding> {
    let spec = situation.spec;
    let settings = [("audit", spec.audit.is_some()), ("hardening", spec.hardening != Hardening::default())];
    let ignored = settings.into_iter().filter(|(_, is_set)| *is_set && is_of_others(situation));
    let finding = |(name, _): (&str, bool)| {
        Finding::warning(
            FieldPath::root(name),
            format!("`{name}` has no effect on an imported cluster"),
            "The components of its control plane keep the arguments that the other tool gave them. Remove the attribute.",
        )
    };
    ignored.map(finding).collect()
}

/// A control plane outside the settings would be an etcd member that quorum checks miss.
fn unnamed_nodes(spec: &ClusterSpec, api: &ApiFacts) -> Vec<Finding> {
    let unnamed = api.nodes.iter().filter(|(name, _)| spec.host(name).is_none());
    let finding = |(name, node): (&String, &NodeFacts)| {
        if node.control_plane {
            return Finding::error(
                host_path(Role::ControlPlane, name),
                format!("the control plane {name} of the imported cluster is missing from `control_plane`"),
                "Add all of its control planes, with the names of their nodes as keys. You can remove one after the \
                 next apply.",
            );
        }
        Finding::warning(
            host_path(Role::Worker, name),
            format!("the worker {name} of the imported cluster is missing from `static_workers`"),
            "It stays in the cluster unmanaged.",
        )
    };
    unnamed.map(finding).collect()
}

fn of_node(host: &HostSituation<'_>, node: &NodeFacts) -> Option<Finding> {
    let (name, role) = (host.name, host.role);
    if let Some(facts) = host.facts
        && facts.machine_id != node.machine_id
    {
        return Some(Finding::error(
            host_path(role, name).field("address"),
            format!("{} is not the machine behind the node {name}", host.spec.address),
            format!(
                "Its machine id is {}; the node has {}. Set the address of the machine that is in the cluster. You can \
                 replace the machine after the next apply.",
                facts.machine_id, node.machine_id
            ),
        ));
    }
    let address: IpAddr = host.spec.node_address().parse().ok()?;
    if node.internal_address.is_empty() || node.internal_address.parse() == Ok(address) {
        return None;
    }
    Some(Finding::error(
        host_path(role, name).field("private_address"),
        format!("the node {name} does not use {address} as its internal address"),
        format!("Set `private_address = \"{}\"`.", node.internal_address),
    ))
}

/// The key of a host must be the name of its node.
fn wrong_name(api: &ApiFacts, host: &HostSituation<'_>) -> Option<Finding> {
    let (name, role) = (host.name, host.role);
    let facts = host.facts.filter(|facts| !facts.machine_id.is_empty())?;
    let (node, _) = api.nodes.iter().find(|(_, node)| node.machine_id == facts.machine_id)?;
    Some(Finding::error(
        host_path(role, name),
        format!("{name} is the node {node} of the imported cluster"),
        format!("The key of a host must be the name of its node. Rename the key to `{node}`."),
    ))
}
