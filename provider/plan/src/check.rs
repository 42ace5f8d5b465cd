//! Checks a plan against an observation: what must not be done, and what the user should know. Findings point to the
//! settings that they concern.

mod adoption;
mod certificates;
mod cluster;
mod containerd;
mod departing;
mod evidence;
mod hosts;
mod identity;
mod order;
mod quorum;
mod removal;
mod restore;
mod upgrade;

pub use identity::check_new_hosts;
use kubeone_facts::Observed;
use kubeone_spec::{FieldPath, Finding, Role};
pub use removal::check_removal;

use crate::plan::Plan;
use crate::situation::judge;
use crate::standing::Foreign;
use crate::wanted::Wanted;

/// Findings about a plan that creates or updates a cluster. A plan with an error must not be executed.
pub fn check(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    judge(wanted, observed, |all, situation| {
        let mut findings = cluster::findings(situation, plan);
        findings.extend(containerd::findings(wanted, plan));
        findings.extend(hosts::findings(situation, plan));
        findings.extend(identity::findings(wanted, plan, situation.observed));
        findings.extend(adoption::findings(situation));
        findings.extend(certificates::findings(situation));
        findings.extend(evidence::findings(all));
        findings.extend(departing::findings(all));
        findings.extend(quorum::findings(all, plan));
        findings.extend(restore::findings(all, situation, plan));
        findings.extend(upgrade::findings(all, situation, plan));
        findings.extend(order::findings(plan));
        findings
    })
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
        Foreign::OtherUid { uid } => format!("it belongs to another cluster with this name, uid {uid}"),
        Foreign::Unmarked => "it runs Kubernetes that this provider did not install".to_owned(),
    }
}
