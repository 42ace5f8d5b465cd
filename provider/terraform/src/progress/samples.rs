//! Changes as logs tell them, for tests and for looking at reports.

use jiff::{SignedDuration, Timestamp};
use kubeone_spec::Role;

use super::record::{
    ActionBegan, ActionEnded, ActionOutcome, Failure, HostRecord, Line, PlannedAction, Record, RunBegan, RunOutcome,
    StageRecord, What,
};

/// A create that comes to its end.
pub(super) fn succeeded(control_planes: usize, workers: usize) -> Vec<Line> {
    tell(control_planes, workers, usize::MAX)
}

/// A create in which the last worker cannot join.
pub(super) fn failed(control_planes: usize, workers: usize) -> Vec<Line> {
    tell(control_planes, workers, control_planes + workers)
}

/// A create of which nothing is heard any more while nodes join.
pub(super) fn cut(control_planes: usize, workers: usize) -> Vec<Line> {
    let mut lines = tell(control_planes, workers, usize::MAX);
    let joins = lines.iter().position(|line| matches!(&line.record, Record::StageBegan { stage: 3, .. }));
    lines.truncate(joins.unwrap() + control_planes + workers);
    lines
}

fn what(kind: &str, host: Option<&str>, verb: &str) -> What {
    let text = format!("{}: {verb}", host.unwrap_or("cluster"));
    What { kind: kind.to_owned(), host: host.map(str::to_owned), text }
}

/// Each stage takes as long as its longest lane; `failing` is the number of the host that fails to join.
fn tell(control_planes: usize, workers: usize, failing: usize) -> Vec<Line> {
    let hosts: Vec<_> = (1..=control_planes).map(|n| (format!("cp-{n}"), Role::ControlPlane)).collect();
    let hosts: Vec<_> = hosts.into_iter().chain((1..=workers).map(|n| (format!("w-{n}"), Role::Worker))).collect();
    let prepare = hosts.iter().enumerate().map(|(index, (name, role))| {
        let took = 11.0 + some(index, 5) * 1.3;
        vec![(what("prepare_host", Some(name), &format!("prepare {role} for Kubernetes 1.35.4")), took)]
    });
    let init = what("init_control_plane", Some("cp-1"), "initialize control plane with Kubernetes 1.35.4");
    let mut joins = vec![vec![(what("apply_addon", None, "apply addon canal"), 6.2)]];
    joins.push(Vec::new());
    for (index, (name, role)) in hosts.iter().enumerate().skip(1) {
        match role {
            Role::ControlPlane => joins[1].push((what("join_control_plane", Some(name), "join control plane"), 22.4)),
            Role::Worker => {
                joins.push(vec![(what("join_worker", Some(name), "join worker"), 3.1 + some(index, 7) * 0.6)]);
            }
        }
    }
    joins.retain(|lane| !lane.is_empty());
    let wait = what("await_nodes", None, &format!("wait until {} nodes are ready", hosts.len()));
    let stages = vec![
        ("prepare hosts", prepare.collect::<Vec<_>>()),
        ("initialise the cluster", vec![vec![(init, 14.8)]]),
        ("join nodes and apply addons", joins),
        ("wait for the nodes", vec![vec![(wait, 9.0)]]),
    ];
    write(&stages, &hosts, failing)
}

/// A number below `most` that differs from host to host.
fn some(index: usize, most: u8) -> f64 {
    u8::try_from(index * 11 % usize::from(most)).map_or(0.0, f64::from)
}

type Lane = Vec<(What, f64)>;

fn write(stages: &[(&str, Vec<Lane>)], hosts: &[(String, Role)], failing: usize) -> Vec<Line> {
    let failing = failing.checked_sub(1).and_then(|index| hosts.get(index)).map(|(name, _)| name.clone());
    let mut events: Vec<(f64, Record)> = Vec::new();
    let (mut number, mut clock, mut planned, mut over) = (0, 0.4, Vec::new(), false);
    for (index, (title, lanes)) in stages.iter().enumerate() {
        let mut record = StageRecord { title: (*title).to_owned(), actions: Vec::new() };
        if !over {
            let title = (*title).to_owned();
            events.push((clock, Record::StageBegan { stage: index + 1, of: stages.len(), title }));
        }
        let (mut latest, mut fails) = (clock, false);
        for (lane, actions) in lanes.iter().enumerate() {
            let mut at = clock;
            for (what, took) in actions {
                number += 1;
                record.actions.push(PlannedAction { number, lane: lane + 1, what: what.clone() });
                if over {
                    continue;
                }
                events.push((at, Record::ActionBegan(ActionBegan { number, what: what.clone() })));
                at += took;
                let fail = what.kind.starts_with("join") && what.host == failing;
                fails |= fail;
                events.push((at, Record::ActionEnded(ended(number, what.clone(), *took, fail))));
            }
            latest = latest.max(at);
        }
        clock = latest;
        over |= fails;
        planned.push(record);
    }
    events.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (outcome, messages) = if over {
        (RunOutcome::Failed, vec!["cluster `prod` was not created\nFailed in stage 3 of 4.".to_owned()])
    } else {
        (RunOutcome::Succeeded, Vec::new())
    };
    events.push((clock, Record::run_ended(outcome, messages)));
    let host = |(index, (name, role)): (usize, &(String, Role))| HostRecord {
        name: name.clone(),
        role: *role,
        address: format!("10.0.{}.{}", index / 200, index % 200 + 11),
        operating_system: "almalinux 9".to_owned(),
        architecture: "amd64".to_owned(),
        kubelet_version: String::new(),
    };
    let run = RunBegan {
        format: 1,
        cluster: "prod".to_owned(),
        operation: "create".to_owned(),
        kubernetes_version: "1.35.4".to_owned(),
        provider_version: "0.1.0".to_owned(),
        hosts: hosts.iter().enumerate().map(host).collect(),
        stages: planned,
        warnings: vec!["w-1 has 900 MiB of memory\nKubernetes needs 1700 MiB on a worker.".to_owned()],
    };
    let began: Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
    let all = std::iter::once((0.0, Record::RunBegan(run))).chain(events);
    all.map(|(seconds, record)| Line { time: began + SignedDuration::from_secs_f64(seconds), seconds, record })
        .collect()
}

fn ended(number: usize, what: What, took: f64, fails: bool) -> ActionEnded {
    let failure = fails.then(|| Failure {
        causes: vec![
            "the host could not be worked on".to_owned(),
            format!("[{}] `os/linux/kubeadm_join.sh:56` failed with exit code 1", what.host.as_deref().unwrap()),
        ],
        output: vec![
            "[preflight] Running pre-flight checks".to_owned(),
            "error execution phase preflight: couldn't validate the identity of the API Server: Get \
             \"https://10.0.0.9:6443/api/v1/namespaces/kube-public/configmaps/cluster-info\": dial tcp 10.0.0.9:6443: \
             connect: no route to host <not a tag>"
                .to_owned(),
        ],
        hint: Some("is the load balancer reachable from this host?".to_owned()),
    });
    let outcome = if fails { ActionOutcome::Failed } else { ActionOutcome::Done };
    ActionEnded { number, what, took, outcome, note: None, failure }
}
