//! Findings about etcd's quorum: a plan is followed through, and each state it passes through must keep the data safe.

use std::collections::BTreeMap;

use kubeone_spec::{Finding, Role};

use super::host_path;
use crate::etcd::is_quorum;
use crate::leaving::{best_member_list, leavers};
use crate::observed::Observed;
use crate::plan::{Action, Plan};
use crate::quorum::{answers, voters};
use crate::wanted::Wanted;

/// Members with a vote by name, and whether they answer.
type Voters = BTreeMap<String, bool>;

pub(super) fn findings(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    if best_member_list(wanted, observed).is_empty() {
        return Vec::new();
    }
    let mut voters: Voters =
        voters(wanted, observed).map(|member| (member.name.clone(), answers(wanted, observed, member))).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for action in plan.actions() {
        let host = match action {
            Action::InitControlPlane { host, .. } | Action::RestoreEtcd { host, .. } => {
                voters = Voters::from([(host.clone(), true)]);
                continue;
            }
            Action::JoinControlPlane { host, .. } => host,
            Action::RemoveNode { host, role: Role::ControlPlane, .. } if has_member(wanted, observed, host) => host,
            _ => continue,
        };
        if voters.remove(host).is_some() || matches!(action, Action::JoinControlPlane { .. }) {
            let finding = without_quorum(host, &voters).filter(|finding| !findings.contains(finding));
            findings.extend(finding);
        }
        if matches!(action, Action::JoinControlPlane { .. }) {
            voters.insert(host.clone(), true);
        }
    }
    findings
}

fn has_member(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    leavers(wanted, observed).any(|leaver| leaver.name == name && leaver.has_member)
}

fn without_quorum(host: &str, others: &Voters) -> Option<Finding> {
    let path = host_path(Role::ControlPlane, host);
    if others.is_empty() {
        return Some(Finding::error(
            path,
            format!("{host} holds the only copy of the cluster's data"),
            "It cannot leave before another control plane has joined. Add one under a name of its own, apply, and change \
             this one then. Its Node has the name of its key, so the new machine cannot join first under the same one.",
        ));
    }
    let answering = others.values().filter(|answers| **answers).count();
    if is_quorum(answering, others.len()) {
        return None;
    }
    let silent: Vec<_> = others.iter().filter(|(_, answers)| !**answers).map(|(name, _)| name.as_str()).collect();
    Some(Finding::error(
        path,
        format!("a change of {host} would stop etcd: of {} other members, {answering} would answer", others.len()),
        format!(
            "etcd works only as long as more than half of its members answer. Bring {} back, or replace it, first.",
            silent.join(" and ")
        ),
    ))
}
