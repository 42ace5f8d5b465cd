//! Who did what when, as bars on a line of time.

use std::collections::BTreeMap;

use kubeone_spec::Role;
use serde::Serialize;

use super::view::kind_name;
use crate::progress::course::{Course, Step, span};
use crate::progress::record::ActionOutcome;

/// Colours there are for kinds of steps; more kinds than that share them.
const COLOURS: usize = 8;

/// The colour of steps that only wait.
const WAITING: usize = COLOURS;

/// Distances between marks on the line of time, in seconds.
const DISTANCES: [f64; 15] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
const MOST_MARKS: f64 = 9.0;

/// Narrower than this a bar could not be seen, in percent.
const NARROWEST: f64 = 0.25;

#[derive(Serialize)]
pub(super) struct Timeline {
    marks: Vec<Mark>,
    stages: Vec<StageMark>,
    rows: Vec<Row>,
    kinds: Vec<Kind>,
}

/// Positions are in percent of the whole time.
#[derive(Serialize)]
struct Mark {
    left: f64,
    text: String,
}

#[derive(Serialize)]
struct StageMark {
    left: f64,
    width: f64,
    number: usize,
    title: String,
}

/// A host, or the cluster as a whole.
#[derive(Serialize)]
struct Row {
    name: String,
    about: String,
    /// Lines of bars; more than one where steps overlap.
    lines: Vec<Vec<Bar>>,
}

#[derive(Serialize)]
struct Bar {
    left: f64,
    width: f64,
    colour: usize,
    /// `done`, `skipped`, `warning`, `failed`, `interrupted` or `running`.
    state: &'static str,
    text: String,
    took: String,
    number: usize,
}

#[derive(Serialize)]
struct Kind {
    colour: usize,
    name: String,
}

impl Timeline {
    pub(super) fn of(course: &Course) -> Self {
        let scale = Scale { whole: course.now.max(0.1) };
        let colours = colours(course);
        let mut rows: Vec<Row> = Vec::new();
        let hosts = &course.run.hosts;
        let role = |role: Role| hosts.iter().filter(move |host| host.role == role);
        for host in role(Role::ControlPlane).chain(role(Role::Worker)) {
            let about = [host.role.to_string(), host.operating_system.clone(), host.address.clone()];
            let about: Vec<_> = about.into_iter().filter(|part| !part.is_empty()).collect();
            rows.extend(row(course, &scale, &colours, &host.name, about.join(" · ")));
        }
        rows.extend(row(course, &scale, &colours, "cluster", "as a whole".to_owned()));
        Self { marks: scale.marks(), stages: stages(course, &scale), rows, kinds: kinds(&colours) }
    }
}

struct Scale {
    whole: f64,
}

impl Scale {
    fn percent(&self, seconds: f64) -> f64 {
        (seconds / self.whole * 100_000.0).round() / 1000.0
    }

    fn marks(&self) -> Vec<Mark> {
        let fits = |distance: &&f64| self.whole / **distance <= MOST_MARKS;
        let distance = DISTANCES.iter().find(fits).copied().unwrap_or(self.whole / MOST_MARKS);
        let mut marks = Vec::new();
        let mut at = 0.0;
        // The last mark would run into the edge.
        while at < self.whole * 0.96 {
            marks.push(Mark { left: self.percent(at), text: if at == 0.0 { "0".to_owned() } else { short(at) } });
            at += distance;
        }
        marks
    }
}

/// A time on the line: short, because there are many.
fn short(seconds: f64) -> String {
    if seconds < 10.0 && seconds.fract() > 0.0 {
        return format!("{seconds:.1} s");
    }
    if seconds < 120.0 {
        return format!("{seconds:.0} s");
    }
    let minutes = (seconds / 60.0).floor();
    match seconds - minutes * 60.0 {
        rest if rest < 1.0 => format!("{minutes:.0} min"),
        rest => format!("{minutes:.0}:{rest:02.0} min"),
    }
}

fn stages(course: &Course, scale: &Scale) -> Vec<StageMark> {
    let ends = course.stages_began.iter().skip(1).copied().chain([course.now]);
    let times = course.stages_began.iter().copied().zip(ends).zip(&course.run.stages);
    times
        .enumerate()
        .map(|(index, ((began, ended), stage))| StageMark {
            left: scale.percent(began),
            width: scale.percent(ended - began),
            number: index + 1,
            title: stage.title.clone(),
        })
        .collect()
}

/// `None` where nothing was begun.
fn row(
    course: &Course,
    scale: &Scale,
    colours: &BTreeMap<&str, (usize, usize)>,
    name: &str,
    about: String,
) -> Option<Row> {
    let mut lines: Vec<(f64, Vec<Bar>)> = Vec::new();
    let mut steps: Vec<_> = course.steps.iter().filter(|step| step.subject() == name && step.began.is_some()).collect();
    steps.sort_by(|a, b| a.began.unwrap_or_default().total_cmp(&b.began.unwrap_or_default()));
    for step in steps {
        let began = step.began.unwrap_or_default();
        let ended = step.ended.as_ref().map_or(course.now, |(at, _)| *at);
        let bar = bar(step, began, ended, scale, colours);
        match lines.iter_mut().find(|(busy_until, _)| *busy_until <= began) {
            Some((busy_until, bars)) => {
                *busy_until = ended;
                bars.push(bar);
            }
            None => lines.push((ended, vec![bar])),
        }
    }
    let lines: Vec<_> = lines.into_iter().map(|(_, bars)| bars).collect();
    (!lines.is_empty()).then(|| Row { name: name.to_owned(), about, lines })
}

fn bar(step: &Step, began: f64, ended: f64, scale: &Scale, colours: &BTreeMap<&str, (usize, usize)>) -> Bar {
    let state = step.ended.as_ref().map_or("running", |(_, end)| state(end.outcome));
    Bar {
        left: scale.percent(began),
        width: scale.percent(ended - began).max(NARROWEST),
        colour: colours.get(step.action.what.kind.as_str()).map_or(WAITING, |(_, colour)| *colour),
        state,
        text: step.verb().to_owned(),
        took: span(ended - began),
        number: step.action.number,
    }
}

pub(super) fn state(outcome: ActionOutcome) -> &'static str {
    match outcome {
        ActionOutcome::Done => "done",
        ActionOutcome::Skipped => "skipped",
        ActionOutcome::Warning => "warning",
        ActionOutcome::Failed => "failed",
        ActionOutcome::Interrupted => "interrupted",
    }
}

/// The place and the colour of each kind, in the order of the plan.
fn colours(course: &Course) -> BTreeMap<&str, (usize, usize)> {
    let mut colours = BTreeMap::new();
    let mut next = 0;
    for step in &course.steps {
        let kind = step.action.what.kind.as_str();
        let place = colours.len();
        colours.entry(kind).or_insert_with(|| {
            if kind.starts_with("await") {
                return (place, WAITING);
            }
            next += 1;
            (place, (next - 1) % COLOURS)
        });
    }
    colours
}

fn kinds(colours: &BTreeMap<&str, (usize, usize)>) -> Vec<Kind> {
    let mut kinds: Vec<_> = colours.iter().collect();
    kinds.sort_by_key(|(_, (place, _))| *place);
    kinds.into_iter().map(|(kind, (_, colour))| Kind { colour: *colour, name: kind_name(kind) }).collect()
}
