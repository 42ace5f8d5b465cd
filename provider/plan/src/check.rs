//! Refuses what is not safe: says for a plan and an observation what must not be done, and what should be known first.
//! The findings point at the settings they concern.

mod adoption;
mod certificates;
mod cluster;
mod containerd;
mod evidence;
mod hosts;
mod identity;
mod leaving;
mod order;
mod quorum;
mod removal;
mod restore;
mod upgrade;

pub use identity::check_newcomers;
use kubeone_facts::Observed;
use kubeone_spec::{FieldPath, Finding, Role};
pub use removal::check_removal;

use crate::leaving::without_leavers;
use crate::plan::Plan;
use crate::standing::Foreign;
use crate::wanted::Wanted;

/// Findings about a plan that makes or changes a cluster. With an error among them it must not be carried out.
pub fn check(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    let everybody = observed;
    let observed = &*without_leavers(wanted, everybody);
    let mut findings = cluster::findings(wanted, plan, observed);
    findings.extend(containerd::findings(wanted, plan));
    findings.extend(hosts::findings(wanted, plan, observed));
    findings.extend(identity::findings(wanted, plan, observed));
    findings.extend(adoption::findings(wanted, observed));
    findings.extend(certificates::findings(wanted, observed));
    findings.extend(evidence::findings(wanted, everybody));
    findings.extend(leaving::findings(wanted, everybody));
    findings.extend(quorum::findings(wanted, plan, everybody));
    findings.extend(restore::findings(wanted, plan, everybody, observed));
    findings.extend(upgrade::findings(wanted, plan, everybody, observed));
    findings.extend(order::findings(plan));
    findings
}

fn host_path(role: Role, name: &str) -> FieldPath {
    let map = match role {
        Role::ControlPlane => "control_plane",
        Role::Worker => "static_workers",
    };
    FieldPath::root(map).key(name)
}

fn foreign_reason(foreign: &Foreign) -> String {
    match foreign {
        Foreign::OtherName { cluster } => format!("it belongs to the cluster `{cluster}`"),
        Foreign::OtherUid { uid } => format!("it belongs to another cluster of this name, with the uid {uid}"),
        Foreign::Unmarked => "Kubernetes is on it, and it was not installed by this provider".to_owned(),
    }
}
