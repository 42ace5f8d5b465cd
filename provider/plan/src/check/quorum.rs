//! Findings about etcd's quorum: the members after each action of the plan must be a quorum.

use kubeone_facts::EtcdMember;
use kubeone_spec::{Finding, HostSpec, Role};

use super::host_path;
use crate::etcd::{is_member_of, is_quorum, label, peer_url};
use crate::plan::{OnEtcd, Plan};
use crate::quorum::{answers, voters};
use crate::situation::Situation;

/// A member that votes. One that never started has no name yet, and votes all the same.
struct Voter {
    member: EtcdMember,
    answers: bool,
}

pub(super) fn findings(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    if situation.evidence.members.is_empty() {
        return Vec::new();
    }
    let voter = |member: &EtcdMember| Voter { member: member.clone(), answers: answers(situation, member) };
    let mut voters: Vec<Voter> = voters(situation).map(voter).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for action in plan.actions() {
        let Some(host) = action.host() else { continue };
        let etcd = action.effects().etcd;
        let spec = match etcd {
            OnEtcd::Replaces => {
                voters = situation.spec.host(host).map(|spec| joined(host, spec)).into_iter().collect();
                continue;
            }
            OnEtcd::Joins => situation.spec.host(host),
            OnEtcd::Leaves if has_member(situation, host) => {
                situation.wanted.leaving.get(host).map(|leaving| &leaving.host)
            }
            OnEtcd::Leaves | OnEtcd::Unchanged | OnEtcd::Restarts | OnEtcd::Stops => continue,
        };
        let Some(spec) = spec else { continue };
        let joins = etcd == OnEtcd::Joins;
        let before = voters.len();
        voters.retain(|voter| !is_member_of(&voter.member, host, spec));
        if voters.len() < before || joins {
            let finding = without_quorum(host, &voters).filter(|finding| !findings.contains(finding));
            findings.extend(finding);
        }
        if joins {
            voters.push(joined(host, spec));
        }
    }
    findings
}

/// The member of a control plane that has joined.
fn joined(host: &str, spec: &HostSpec) -> Voter {
    let member = EtcdMember { name: host.to_owned(), peer_urls: vec![peer_url(spec)], ..EtcdMember::default() };
    Voter { member, answers: true }
}

fn has_member(situation: &Situation<'_>, name: &str) -> bool {
    situation.departing.iter().any(|node| node.name == name && node.has_member)
}

fn without_quorum(host: &str, others: &[Voter]) -> Option<Finding> {
    let path = host_path(Role::ControlPlane, host);
    if others.is_empty() {
        return Some(Finding::error(
            path,
            format!("{host} holds the only copy of the etcd data"),
            "It cannot be removed before another control plane has joined. Add one under a new name, apply, then \
             change this one. A new machine cannot join under the same name first, because the Node has the name of \
             the key.",
        ));
    }
    let answering = others.iter().filter(|voter| voter.answers).count();
    if is_quorum(answering, others.len()) {
        return None;
    }
    let silent: Vec<_> = others.iter().filter(|voter| !voter.answers).map(|voter| label(&voter.member)).collect();
    Some(Finding::error(
        path,
        format!(
            "a change of {host} would stop etcd: only {answering} of the {} other members would respond",
            others.len()
        ),
        format!("etcd needs more than half of its members. Repair or replace {} first.", silent.join(" and ")),
    ))
}
