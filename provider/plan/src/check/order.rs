//! Findings about the order of a plan. These rules repeat those of the planner independently, so that a bug there
//! cannot destroy a cluster.

use std::collections::{BTreeMap, BTreeSet};

use kubeone_spec::{FieldPath, Finding};

use crate::plan::{Action, OnCluster, Plan, Stage};

pub(super) fn findings(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |summary: String| {
        findings.push(Finding::error(
            FieldPath::default(),
            summary,
            "This is a bug in the provider. Please report it.",
        ));
    };
    for stage in &plan.stages {
        let etcd_lanes =
            stage.lanes.iter().filter(|lane| lane.iter().any(|action| action.effects().etcd.takes_turns())).count();
        if etcd_lanes > 1 {
            refuse(format!("the plan changes {etcd_lanes} etcd members at the same time (stage `{}`)", stage.title));
        }
        let mut lane_of = BTreeMap::new();
        let mut torn = BTreeSet::new();
        for (number, lane) in stage.lanes.iter().enumerate() {
            let hosts = lane.iter().filter(|action| !is_of_earlier_machine(action, stage)).filter_map(Action::host);
            torn.extend(hosts.filter(|host| *lane_of.entry(*host).or_insert(number) != number));
        }
        for host in torn {
            refuse(format!("the plan runs two lanes on {host} at the same time (stage `{}`)", stage.title));
        }
    }
    let creates = stage_of(plan, |action| action.effects().cluster == OnCluster::Creates);
    let requires = stage_of(plan, |action| action.effects().cluster == OnCluster::Requires);
    if let (Some(creates), Some(first)) = (creates, requires)
        && first <= creates
    {
        refuse("the plan uses the cluster before its first control plane exists".to_owned());
    }
    let mut prepared_in = BTreeMap::new();
    for (position, stage) in plan.stages.iter().enumerate() {
        for action in stage.lanes.iter().flatten() {
            if let Action::PrepareHost { host, .. } = action {
                prepared_in.entry(host.as_str()).or_insert(position);
            }
        }
    }
    for (position, stage) in plan.stages.iter().enumerate() {
        let makes = stage.lanes.iter().flatten().filter(|action| action.effects().node.is_new());
        for host in makes.filter_map(Action::host) {
            if prepared_in.get(host).is_some_and(|prepared| *prepared > position) {
                refuse(format!("the plan makes {host} a node before it is prepared"));
            }
        }
    }
    findings
}

/// Whether it removes the previous machine of a name while its replacement is only being prepared.
fn is_of_earlier_machine(action: &Action, stage: &Stage) -> bool {
    let Action::RemoveNode { host, replaced: true, .. } = action else { return false };
    let mut others = stage.lanes.iter().flatten().filter(|other| *other != action && other.host() == Some(host));
    others.all(|other| matches!(other, Action::PrepareHost { .. }))
}

fn stage_of(plan: &Plan, wanted: impl Fn(&Action) -> bool) -> Option<usize> {
    plan.stages.iter().position(|stage| stage.lanes.iter().flatten().any(&wanted))
}
