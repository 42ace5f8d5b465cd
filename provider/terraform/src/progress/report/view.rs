//! What the page says, ready to be put into it.

use jiff::Timestamp;
use serde::Serialize;

use super::timeline::{Timeline, state};
use crate::progress::course::{Course, Step, span};
use crate::progress::record::RunOutcome;

#[derive(Serialize)]
pub(super) struct View {
    css: &'static str,
    cluster: String,
    operation: String,
    /// `running`, `succeeded`, `failed` or `interrupted`.
    state: &'static str,
    headline: String,
    began: String,
    written: String,
    written_milliseconds: i64,
    facts: Vec<Fact>,
    failures: Vec<FailureView>,
    remaining: Vec<Remaining>,
    warnings: Vec<String>,
    messages: Vec<String>,
    timeline: Timeline,
    untouched: Vec<String>,
    spent: Vec<Spent>,
    stages: Vec<StageView>,
}

#[derive(Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct FailureView {
    number: usize,
    text: String,
    after: String,
    causes: Vec<String>,
    output: String,
    hint: String,
}

#[derive(Serialize)]
struct Remaining {
    number: usize,
    text: String,
    state: &'static str,
}

/// What a kind of steps took.
#[derive(Serialize)]
struct Spent {
    name: String,
    count: usize,
    median: String,
    longest: String,
    longest_of: String,
    /// Of the longest of all kinds, in percent.
    share: f64,
}

#[derive(Serialize)]
struct StageView {
    number: usize,
    title: String,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    number: usize,
    subject: String,
    verb: String,
    state: &'static str,
    began: String,
    took: String,
    note: String,
}

impl View {
    pub(super) fn of(course: &Course, now: Timestamp) -> Self {
        let run = &course.run;
        let state = match course.end.as_ref().map(|end| end.outcome) {
            None => "running",
            Some(RunOutcome::Succeeded) => "succeeded",
            Some(RunOutcome::Failed) => "failed",
            Some(RunOutcome::Interrupted) => "interrupted",
        };
        let touched = |name: &str| course.steps.iter().any(|step| step.action.what.host.as_deref() == Some(name));
        let untouched = run.hosts.iter().filter(|host| !touched(&host.name)).map(|host| host.name.clone());
        Self {
            css: include_str!("report.css"),
            cluster: run.cluster.clone(),
            operation: run.operation.clone(),
            state,
            headline: headline(course, state),
            began: course.began_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            written: now.strftime("%H:%M:%S UTC").to_string(),
            written_milliseconds: now.as_millisecond(),
            facts: facts(course),
            failures: course.steps.iter().filter_map(failure).collect(),
            remaining: if state == "succeeded" { Vec::new() } else { remaining(course) },
            warnings: warnings(course),
            messages: course.end.as_ref().map(|end| end.messages.clone()).unwrap_or_default(),
            timeline: Timeline::of(course),
            untouched: untouched.collect(),
            spent: spent(course),
            stages: stages(course),
        }
    }
}

fn headline(course: &Course, state: &str) -> String {
    let (cluster, time) = (&course.run.cluster, span(course.now));
    let (participle, gerund) = match course.run.operation.as_str() {
        "create" => ("created", "being created"),
        "delete" => ("destroyed", "being destroyed"),
        _ => ("updated", "being updated"),
    };
    match state {
        "running" => format!("Cluster {cluster} is {gerund}"),
        "succeeded" => format!("Cluster {cluster} was {participle} in {time}"),
        "failed" => format!("Cluster {cluster} was not {participle}: failed after {time}"),
        _ => format!("Cluster {cluster} was not {participle}: interrupted after {time}"),
    }
}

fn facts(course: &Course) -> Vec<Fact> {
    let run = &course.run;
    let hosts = |role| run.hosts.iter().filter(|host| host.role == role).count();
    let (control_planes, workers) = (hosts(kubeone_spec::Role::ControlPlane), hosts(kubeone_spec::Role::Worker));
    let mut facts = vec![
        Fact { name: "Steps done", value: format!("{} of {}", course.done(), course.steps.len()) },
        Fact { name: "Time", value: span(course.now) },
        Fact {
            name: "Hosts",
            value: format!("{}, {}", counted(control_planes, "control plane"), counted(workers, "worker")),
        },
        Fact { name: "Kubernetes", value: run.kubernetes_version.clone() },
    ];
    let mut before: Vec<_> = run.hosts.iter().map(|host| host.kubelet_version.as_str()).collect();
    before.retain(|version| !version.is_empty() && *version != run.kubernetes_version);
    before.sort_unstable();
    before.dedup();
    if !before.is_empty() {
        facts.push(Fact { name: "Kubelets before", value: before.join(", ") });
    }
    facts.push(Fact { name: "Provider", value: run.provider_version.clone() });
    facts
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn failure(step: &Step) -> Option<FailureView> {
    let (at, end) = step.ended.as_ref()?;
    let failure = end.failure.as_ref()?;
    Some(FailureView {
        number: step.action.number,
        text: step.action.what.text.clone(),
        after: span(*at),
        causes: failure.causes.clone(),
        output: failure.output.join("\n"),
        hint: failure.hint.clone().unwrap_or_default(),
    })
}

fn remaining(course: &Course) -> Vec<Remaining> {
    let open = course.steps.iter().filter(|step| !step.is_done());
    open.map(|step| Remaining {
        number: step.action.number,
        text: step.action.what.text.clone(),
        state: state_of(step),
    })
    .collect()
}

fn warnings(course: &Course) -> Vec<String> {
    let of_steps = course.steps.iter().filter_map(|step| {
        let (_, end) = step.ended.as_ref()?;
        let note = end.note.as_ref().filter(|_| state(end.outcome) == "warning")?;
        Some(format!("{}: {note}", step.action.what.text))
    });
    course.run.warnings.iter().cloned().chain(of_steps).collect()
}

/// The kinds that took longest first.
fn spent(course: &Course) -> Vec<Spent> {
    let mut kinds: Vec<(&str, Vec<(f64, &Step)>)> = Vec::new();
    for step in &course.steps {
        let Some((_, end)) = &step.ended else { continue };
        let kind = step.action.what.kind.as_str();
        match kinds.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, times)) => times.push((end.took, step)),
            None => kinds.push((kind, vec![(end.took, step)])),
        }
    }
    for (_, times) in &mut kinds {
        times.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    let longest = |times: &[(f64, &Step)]| times.last().map_or(0.0, |(took, _)| *took);
    kinds.sort_by(|(_, a), (_, b)| longest(b).total_cmp(&longest(a)));
    let most = kinds.first().map_or(1.0, |(_, times)| longest(times)).max(0.001);
    let line = |(kind, times): (&str, Vec<(f64, &Step)>)| Spent {
        name: kind_name(kind),
        count: times.len(),
        median: span(median(&times)),
        longest: span(longest(&times)),
        longest_of: times.last().map(|(_, step)| step.subject().to_owned()).unwrap_or_default(),
        share: (longest(&times) / most * 1000.0).round() / 10.0,
    };
    kinds.into_iter().map(line).collect()
}

/// Between two of them where their number is even.
fn median(times: &[(f64, &Step)]) -> f64 {
    let at = |place: usize| times.get(place).map_or(0.0, |(took, _)| *took);
    f64::midpoint(at(times.len().saturating_sub(1) / 2), at(times.len() / 2))
}

fn stages(course: &Course) -> Vec<StageView> {
    let stages = course.run.stages.iter().enumerate();
    stages
        .map(|(index, stage)| StageView {
            number: index + 1,
            title: stage.title.clone(),
            steps: course.steps.iter().filter(|step| step.stage == index).map(|step| line(course, step)).collect(),
        })
        .collect()
}

fn line(course: &Course, step: &Step) -> StepView {
    let took = match (&step.ended, step.began) {
        (Some((_, end)), _) => span(end.took),
        (None, Some(began)) => span(course.now - began),
        (None, None) => String::new(),
    };
    StepView {
        number: step.action.number,
        subject: step.subject().to_owned(),
        verb: step.verb().to_owned(),
        state: state_of(step),
        began: step.began.map(span).unwrap_or_default(),
        took,
        note: step.ended.as_ref().and_then(|(_, end)| end.note.clone()).unwrap_or_default(),
    }
}

fn state_of(step: &Step) -> &'static str {
    match &step.ended {
        Some((_, end)) => state(end.outcome),
        None if step.is_running() => "running",
        None => "not begun",
    }
}

/// `join_control_plane` for people.
pub(super) fn kind_name(kind: &str) -> String {
    kind.replace('_', " ")
}
