//! What came of a plan: one entry for each action that was begun, with its times.

use std::fmt;
use std::time::Duration;

use kubeone_plan::plan::{Action, Plan};

use crate::error::StepError;

/// How an action ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// There was nothing to do, and why.
    Skipped(String),
    /// Done, but somebody should know this.
    Warning(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Skipped(reason) => write!(f, "nothing to do: {reason}"),
            Self::Warning(text) => write!(f, "done, with a warning: {text}"),
        }
    }
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Result {
    Ended(Outcome),
    Failed,
}

/// One action that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionReport {
    pub action: Action,
    /// Position of its stage in the plan, from 0.
    pub stage: usize,
    /// Since the beginning of the run.
    pub began: Duration,
    /// Since the beginning of the run.
    pub ended: Duration,
    pub result: Result,
}

/// What was done, in the order in which it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub actions: Vec<ActionReport>,
}

impl Report {
    /// One line for each action that is done.
    pub fn done(&self) -> Vec<String> {
        self.ended().map(|(action, _)| action.to_string()).collect()
    }

    /// One line for each warning, with the action it came from.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |(action, outcome): (&Action, &Outcome)| match outcome {
            Outcome::Warning(text) => Some(format!("{action}: {text}")),
            _ => None,
        };
        self.ended().filter_map(warning).collect()
    }

    /// How many actions of the plan were not begun.
    pub(crate) fn not_begun(&self, plan: &Plan) -> usize {
        plan.actions().count().saturating_sub(self.actions.len())
    }

    fn ended(&self) -> impl Iterator<Item = (&Action, &Outcome)> {
        self.actions.iter().filter_map(|entry| match &entry.result {
            Result::Ended(outcome) => Some((&entry.action, outcome)),
            Result::Failed => None,
        })
    }
}

/// The course of the actions over time, for people who look for what was slow.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.actions {
            let (began, ended) = (entry.began.as_secs_f64(), entry.ended.as_secs_f64());
            let result = match &entry.result {
                Result::Ended(outcome) => outcome.to_string(),
                Result::Failed => "failed".to_owned(),
            };
            writeln!(f, "{began:7.1} s – {ended:7.1} s  {}: {result}", entry.action)?;
        }
        Ok(())
    }
}

/// Told to whoever watches a run. The `number` of an action is its place in [`Plan::actions`], from 1.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    StageBegan {
        number: usize,
        of: usize,
        title: &'a str,
    },
    ActionBegan {
        number: usize,
        action: &'a Action,
    },
    /// `error` is why it failed, if it did.
    ActionEnded {
        number: usize,
        report: &'a ActionReport,
        error: Option<&'a StepError>,
    },
}
