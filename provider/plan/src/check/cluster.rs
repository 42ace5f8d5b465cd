//! Findings about the cluster as a whole: its release, its API, the roles of its nodes.

use kubeone_desired::catalog;
use kubeone_facts::{ApiState, NodeFacts};
use kubeone_spec::{ClusterSpec, FieldPath, Finding, Role};

use super::host_path;
use crate::lost_quorum;
use crate::plan::{Action, Plan};
use crate::restore::{begun, wanted_restore};
use crate::situation::Situation;
use crate::standing::Standing;

pub(super) fn findings(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(unknown_version(situation.spec));
    findings.extend(silent_api(situation, plan));
    findings.extend(changed_roles(situation));
    findings
}

fn unknown_version(spec: &ClusterSpec) -> Option<Finding> {
    if catalog::release(spec.kubernetes_version).is_some() {
        return None;
    }
    Some(Finding::error(
        FieldPath::root("kubernetes_version"),
        format!("Kubernetes {} is not supported", spec.kubernetes_version),
        format!("Supported releases: {}.", catalog::known_releases().collect::<Vec<_>>().join(", ")),
    ))
}

/// The API is silent although there are finished nodes. Creating a new cluster would destroy the existing one.
fn silent_api(situation: &Situation<'_>, plan: &Plan) -> Option<Finding> {
    let spec = situation.spec;
    let reason = match &situation.observed.api {
        ApiState::Answered(_) => return None,
        ApiState::Silent { reason } => reason.as_str(),
        ApiState::Absent => "no control plane was found",
    };
    let stay = situation.hosts().filter(|host| host.is_finished()).map(|host| host.name);
    let leave = situation.departing.iter().filter(|node| node.standing == Standing::Finished);
    let nodes: Vec<_> = stay.chain(leave.map(|node| node.name)).collect();
    if nodes.is_empty() {
        return None;
    }
    if wanted_restore(situation).is_some() || begun(situation).next().is_some() {
        return None;
    }
    let path = FieldPath::root("api_endpoint");
    let summary = format!("the Kubernetes API of `{}` does not answer: {reason}", spec.name);
    if plan.actions().any(|action| *action == Action::AwaitApi) {
        return Some(Finding::warning(
            path,
            summary,
            "The plan repairs what is broken on the hosts, so that the API comes back. Everything else is planned once \
             it answers.",
        ));
    }
    let gone = match lost_quorum::without_data(situation).as_slice() {
        [] => String::new(),
        gone => format!(" {} lost the etcd data.", gone.join(", ")),
    };
    let give_up = if spec.deletion.protection {
        " To give up the cluster, apply only `deletion = { protection = false }`, then run `terraform destroy`."
    } else {
        ""
    };
    Some(Finding::error(
        path,
        summary,
        format!(
            "The cluster exists: {} joined it. Nothing is planned until its API answers, because too few control \
             planes are reachable with their etcd data.{gone} Check the unreachable control planes. If they are lost \
             for good, restore the data of a surviving one with `restore = {{ survivor = … }}`, or a snapshot with \
             `restore = {{ snapshot = … }}`.{give_up}",
            nodes.join(", ")
        ),
    ))
}

/// A host that is not finished may have a Node without its role, because kubeadm was interrupted. It is repeated then.
fn changed_roles(situation: &Situation<'_>) -> Vec<Finding> {
    let hosts = situation.hosts().filter(|host| host.standing != Standing::Begun);
    let has_role = |node: &NodeFacts, role| node.control_plane == (role == Role::ControlPlane);
    let changed = hosts.filter(|host| host.node.is_some_and(|node| !has_role(node, host.role)));
    changed
        .map(|host| {
            let (name, role) = (host.name, host.role);
            let other = if role == Role::Worker { Role::ControlPlane } else { Role::Worker };
            Finding::error(
                host_path(role, name),
                format!("{name} is a {other} in the cluster, not a {role}"),
                "A node cannot change its role. Move the host back to the other map, or rename it.",
            )
        })
        .collect()
}
