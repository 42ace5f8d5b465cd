//! What is told about a change, event by event: the lines of the log. Their shape is a promise to programs that read
//! them, described in `templates/guides/watching.md`: fields are added, never renamed or removed.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use kubeone_engine::{ActionResult, Event, Outcome, StepError};
use kubeone_facts::{HostFacts, HostState, Observed};
use kubeone_hosts::HostError;
use kubeone_plan::{Action, Plan, Wanted};
use kubeone_spec::{HostSpec, Role};
use serde::{Deserialize, Serialize};

/// Raised when a reader of older lines would misunderstand newer ones.
const FORMAT: u32 = 1;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    /// Since the change began.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) record: Record,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Record {
    RunBegan(RunBegan),
    StageBegan { stage: usize, of: usize, title: String },
    ActionBegan(ActionBegan),
    ActionEnded(ActionEnded),
    RunEnded(RunEnded),
}

/// The whole plan, and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunBegan {
    pub(super) format: u32,
    pub(super) cluster: String,
    /// `create`, `update` or `delete`.
    pub(super) operation: String,
    pub(super) kubernetes_version: String,
    pub(super) provider_version: String,
    pub(super) hosts: Vec<HostRecord>,
    pub(super) stages: Vec<StageRecord>,
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HostRecord {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) address: String,
    /// What was seen before the change began; empty where the host was not reached.
    pub(super) operating_system: String,
    pub(super) architecture: String,
    pub(super) kubelet_version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StageRecord {
    pub(super) title: String,
    pub(super) actions: Vec<PlannedAction>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedAction {
    /// From 1 through the whole plan. The events of an action carry it.
    pub(super) number: usize,
    /// From 1 within the stage. Actions of a lane are done one after the other, lanes side by side.
    pub(super) lane: usize,
    #[serde(flatten)]
    pub(super) what: What,
}

/// An action in words and for programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct What {
    /// `prepare_host`, `join_worker`, …
    pub(super) kind: String,
    /// Absent when it concerns the cluster as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    /// As Terraform's plan shows it.
    pub(super) text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ActionBegan {
    pub(super) number: usize,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ActionEnded {
    pub(super) number: usize,
    #[serde(flatten)]
    pub(super) what: What,
    /// How long it took, in seconds.
    pub(super) took: f64,
    pub(super) outcome: ActionOutcome,
    /// Why there was nothing to do, or what the warning is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActionOutcome {
    Done,
    Skipped,
    Warning,
    Failed,
    /// It stopped at a point where nothing is cut in half, because the run was cancelled.
    Interrupted,
}

/// Why an action failed. What hosts printed is free of the secrets that were sent to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// From the outermost cause to the innermost.
    pub(super) causes: Vec<String>,
    /// The last lines that the script on the host printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) output: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunEnded {
    pub(super) outcome: RunOutcome,
    /// What Terraform is told, one text for each message.
    pub(super) messages: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunOutcome {
    Succeeded,
    Failed,
    Interrupted,
}

pub(super) fn run_began(
    operation: &str,
    wanted: &Wanted,
    observed: &Observed,
    plan: &Plan,
    warnings: Vec<String>,
) -> Record {
    let spec = &wanted.spec;
    let stay = spec.hosts().map(|(name, role, host)| host_record(name, role, host, observed.facts(name)));
    let gone = wanted.leaving.iter().filter(|(name, _)| spec.host(name).is_none());
    let gone = gone.map(|(name, leaving)| {
        let facts = match observed.leaving.get(name) {
            Some(HostState::Reached(facts)) => Some(&**facts),
            _ => None,
        };
        host_record(name, leaving.role, &leaving.host, facts)
    });
    let mut numbers = 1..;
    let stages = plan.stages.iter().map(|stage| {
        let lanes = stage.lanes.iter().zip(1..).flat_map(|(lane, number)| lane.iter().map(move |it| (number, it)));
        let actions = lanes.zip(&mut numbers);
        StageRecord {
            title: stage.title.clone(),
            actions: actions
                .map(|((lane, action), number)| PlannedAction { number, lane, what: what(action) })
                .collect(),
        }
    });
    Record::RunBegan(RunBegan {
        format: FORMAT,
        cluster: spec.name.clone(),
        operation: operation.to_owned(),
        kubernetes_version: spec.kubernetes_version.to_string(),
        provider_version: env!("CARGO_PKG_VERSION").to_owned(),
        hosts: stay.chain(gone).collect(),
        stages: stages.collect(),
        warnings,
    })
}

fn host_record(name: &str, role: Role, host: &HostSpec, facts: Option<&HostFacts>) -> HostRecord {
    let system = facts.map(|facts| format!("{} {}", facts.os.id, facts.os.version_id));
    HostRecord {
        name: name.to_owned(),
        role,
        address: host.address.clone(),
        operating_system: system.unwrap_or_default().trim().to_owned(),
        architecture: facts.map(|facts| facts.architecture.clone()).unwrap_or_default(),
        kubelet_version: facts.map(|facts| facts.packages.kubelet.clone()).unwrap_or_default(),
    }
}

pub(super) fn of_event(event: Event<'_>) -> Record {
    match event {
        Event::StageBegan { number, of, title } => Record::StageBegan { stage: number, of, title: title.to_owned() },
        Event::ActionBegan { number, action } => Record::ActionBegan(ActionBegan { number, what: what(action) }),
        Event::ActionEnded { number, report, error } => {
            let (outcome, note) = match (&report.result, error) {
                (_, Some(StepError::Cancelled)) => (ActionOutcome::Interrupted, None),
                (ActionResult::Failed, _) => (ActionOutcome::Failed, None),
                (ActionResult::Ended(Outcome::Done), _) => (ActionOutcome::Done, None),
                (ActionResult::Ended(Outcome::Skipped(why)), _) => (ActionOutcome::Skipped, Some(why.clone())),
                (ActionResult::Ended(Outcome::Warning(text)), _) => (ActionOutcome::Warning, Some(text.clone())),
            };
            let failure = error.filter(|_| outcome == ActionOutcome::Failed).map(failure);
            let took = rounded(report.ended.saturating_sub(report.began));
            Record::ActionEnded(ActionEnded { number, what: what(&report.action), took, outcome, note, failure })
        }
    }
}

impl Record {
    pub(super) fn run_ended(outcome: RunOutcome, messages: Vec<String>) -> Self {
        Self::RunEnded(RunEnded { outcome, messages })
    }

    /// Nobody waited for the end.
    pub(super) fn dropped() -> Self {
        Self::run_ended(RunOutcome::Interrupted, Vec::new())
    }
}

fn what(action: &Action) -> What {
    // The name of the variant, as serde writes it: there is no second list of names that could fall behind.
    let kind = match serde_json::to_value(action) {
        Ok(serde_json::Value::Object(object)) => object.into_iter().next().map(|(kind, _)| kind),
        Ok(serde_json::Value::String(kind)) => Some(kind),
        _ => None,
    };
    What { kind: kind.unwrap_or_default(), host: action.host().map(str::to_owned), text: action.to_string() }
}

fn failure(error: &StepError) -> Failure {
    let mut failure = Failure { hint: error.hint(), ..Failure::default() };
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        let mut cause_alone = text.as_str();
        if let Some(HostError::Script(script)) = error.downcast_ref() {
            failure.output.clone_from(&script.last_lines);
            cause_alone = text.split_once("; its last lines:").map_or(cause_alone, |(head, _)| head);
        }
        failure.causes.push(cause_alone.to_owned());
        cause = error.source();
    }
    failure
}

/// Milliseconds are enough for people, and short for programs.
pub(super) fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
