//! Findings about the cluster as a whole: its release, its API, hosts that the settings no longer name.

use kubeone_desired::catalog;
use kubeone_facts::{ApiFacts, ApiState, Observed};
use kubeone_spec::{ClusterSpec, FieldPath, Finding, Role};

use super::host_path;
use crate::leaving::leavers;
use crate::lost_quorum;
use crate::plan::{Action, Plan};
use crate::restore::{begun, wanted_restore};
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

pub(super) fn findings(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    let spec = &wanted.spec;
    let mut findings = Vec::new();
    findings.extend(unknown_version(spec));
    findings.extend(silent_api(wanted, plan, observed));
    if let Some(api) = observed.api_facts() {
        findings.extend(changed_roles(wanted, observed, api));
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
    if wanted_restore(wanted, observed).is_some() || begun(wanted, observed).next().is_some() {
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
    let gone = match lost_quorum::without_data(wanted, observed).as_slice() {
        [] => String::new(),
        gone => format!(" The data of etcd are gone on {}.", gone.join(", ")),
    };
    let give_up = if spec.deletion.protection {
        " To give the cluster up, apply `deletion = { protection = false }` and nothing else, and destroy it then."
    } else {
        ""
    };
    Some(Finding::error(
        path,
        summary,
        format!(
            "The cluster exists: {} finished joining it. Nothing is planned until its API answers: too few of its \
             control planes can be reached and hold data of etcd.{gone} Look at those that cannot be reached. If they are \
             lost for good, the cluster can go on with the data of one that is left, `restore = {{ survivor = … }}`, or with \
             a snapshot, `restore = {{ snapshot = … }}`.{give_up}",
            nodes.join(", ")
        ),
    ))
}

/// The Node of a host that is no finished one may lack its role only because kubeadm was cut off, which is done again then.
fn changed_roles(wanted: &Wanted, observed: &Observed, api: &ApiFacts) -> Vec<Finding> {
    let hosts = wanted.spec.hosts().filter(|(name, ..)| standing(wanted, observed, name) != Standing::Begun);
    let hosts = hosts.filter_map(|(name, role, _)| Some((name, role, api.nodes.get(name)?)));
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
