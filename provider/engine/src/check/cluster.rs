//! Findings about the cluster as a whole: its version, its API, hosts that the settings no longer name.

use kubeone_spec::{ClusterSpec, FieldPath, Finding, KubernetesVersion, Role};

use super::host_path;
use crate::catalog;
use crate::leaving::leavers;
use crate::observed::{ApiFacts, ApiState, Observed};
use crate::plan::{Action, Plan};
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// How many minor releases a kubelet may be older than the API server.
const KUBELET_SKEW: u16 = 3;

pub(super) fn findings(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    let spec = &wanted.spec;
    let mut findings = Vec::new();
    findings.extend(unknown_version(spec));
    findings.extend(silent_api(wanted, plan, observed));
    if let Some(api) = observed.api_facts() {
        findings.extend(version_change(spec, api));
        findings.extend(kubelet_skew(api));
        findings.extend(changed_roles(spec, api));
    }
    findings
}

fn unknown_version(spec: &ClusterSpec) -> Option<Finding> {
    if catalog::release(spec.kubernetes_version).is_some() {
        return None;
    }
    Some(Finding::error(
        FieldPath::root("kubernetes_version"),
        format!("Kubernetes {} is not supported", spec.kubernetes_version),
        format!("Supported are {}.", catalog::known_releases().collect::<Vec<_>>().join(", ")),
    ))
}

/// The API does not answer although there are finished nodes. Making a new cluster would destroy the one that is there.
fn silent_api(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Option<Finding> {
    let spec = &wanted.spec;
    let reason = match &observed.api {
        ApiState::Answered(_) => return None,
        ApiState::Silent { reason } => reason.as_str(),
        ApiState::Absent => "no control plane was found",
    };
    let nodes = spec.hosts().filter(|(name, ..)| standing(wanted, observed, name) == Standing::Finished);
    let leave = leavers(wanted, observed).filter(|leaver| leaver.standing == Standing::Finished);
    let nodes: Vec<_> = nodes.map(|(name, ..)| name).chain(leave.map(|leaver| leaver.name)).collect();
    if nodes.is_empty() {
        return None;
    }
    let path = FieldPath::root("api_endpoint");
    let summary = format!("the Kubernetes API of `{}` does not answer: {reason}", spec.name);
    if plan.actions().any(|action| *action == Action::AwaitApi) {
        return Some(Finding::warning(
            path,
            summary,
            "The plan follows from what the hosts alone show, and brings the API back. What else there may be to do is \
             planned when it answers.",
        ));
    }
    Some(Finding::error(
        path,
        summary,
        format!(
            "The cluster exists: {} finished joining it. Nothing is planned until its API answers: too few of its \
             control planes can be reached. Look at those that cannot.",
            nodes.join(", ")
        ),
    ))
}

fn version_change(spec: &ClusterSpec, api: &ApiFacts) -> Option<Finding> {
    let running = api.version.trim_start_matches('v');
    if running.is_empty() || running == spec.kubernetes_version.to_string() {
        return None;
    }
    Some(Finding::error(
        FieldPath::root("kubernetes_version"),
        format!("the cluster runs Kubernetes {running}, not {}", spec.kubernetes_version),
        format!("This version of the provider does not upgrade clusters. Set `kubernetes_version` to `{running}`."),
    ))
}

fn kubelet_skew(api: &ApiFacts) -> Vec<Finding> {
    let Ok(server) = api.version.parse::<KubernetesVersion>() else { return Vec::new() };
    let kubelets = api.nodes.iter().filter_map(|(name, node)| {
        let kubelet = node.kubelet_version.parse::<KubernetesVersion>().ok()?;
        Some((name, node, kubelet))
    });
    let apart = kubelets.filter(|(.., kubelet)| {
        (kubelet.major, kubelet.minor) > (server.major, server.minor) || kubelet.minor + KUBELET_SKEW < server.minor
    });
    apart
        .map(|(name, node, kubelet)| {
            let role = if node.control_plane { Role::ControlPlane } else { Role::Worker };
            Finding::error(
                host_path(role, name),
                format!("the kubelet of {name} is {kubelet}, too far from the API server's {server}"),
                format!(
                    "A kubelet may be up to {KUBELET_SKEW} minor releases older than the API server, and never newer."
                ),
            )
        })
        .collect()
}

fn changed_roles(spec: &ClusterSpec, api: &ApiFacts) -> Vec<Finding> {
    let hosts = spec.hosts().filter_map(|(name, role, _)| Some((name, role, api.nodes.get(name)?)));
    let changed = hosts.filter(|(_, role, node)| node.control_plane != (*role == Role::ControlPlane));
    changed
        .map(|(name, role, _)| {
            let other = if role == Role::Worker { Role::ControlPlane } else { Role::Worker };
            Finding::error(
                host_path(role, name),
                format!("{name} is a {other} of the cluster, not a {role}"),
                "A node cannot change its role. Put it back into the other map, or give the host another name.",
            )
        })
        .collect()
}
