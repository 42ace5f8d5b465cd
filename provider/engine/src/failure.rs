//! A plan that failed: which actions, why, what is done, and what the next apply does.

use std::error::Error;
use std::fmt::{self, Write};

use kubeone_plan::plan::Action;

use crate::error::StepError;
use crate::report::Report;

/// An action that failed.
#[derive(Debug)]
pub struct ActionFailure {
    pub action: Action,
    pub source: StepError,
}

/// A plan that failed. Siblings of a failed action finished; nothing after its stage began.
#[derive(Debug)]
pub struct ExecuteError {
    /// Number of the stage, from 1.
    pub stage: usize,
    pub stages: usize,
    pub title: String,
    /// What failed; empty when the run was only cancelled.
    pub failures: Vec<ActionFailure>,
    /// What was done.
    pub report: Report,
    /// How many actions were not begun.
    pub not_begun: usize,
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} of {} (`{}`)", self.stage, self.stages, self.title)?;
        match self.failures.as_slice() {
            [] => f.write_str(": cancelled"),
            [failure] => write!(f, ": {} failed", failure.action),
            [first, rest @ ..] => write!(f, ": {} failed, and {} more", first.action, rest.len()),
        }
    }
}

impl Error for ExecuteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| &failure.source as _)
    }
}

impl ExecuteError {
    /// The whole story: each failure with its causes and hint, what is done, and what the next apply does.
    pub fn detail(&self) -> String {
        let mut text = String::new();
        for failure in &self.failures {
            line(&mut text, &failure.action);
            let mut cause: Option<&dyn Error> = Some(&failure.source);
            while let Some(error) = cause {
                line(&mut text, &format_args!("  caused by: {error}"));
                cause = error.source();
            }
            if let Some(hint) = failure.source.hint() {
                line(&mut text, &format_args!("  hint: {hint}"));
            }
        }
        let done = self.report.done();
        if done.is_empty() {
            line(&mut text, &"Nothing is done yet.");
        } else {
            line(&mut text, &"Done already:");
            for action in &done {
                line(&mut text, &format_args!("  {action}"));
            }
        }
        if self.not_begun > 0 {
            line(&mut text, &format_args!("{} more actions were not begun.", self.not_begun));
        }
        text.push_str("The next apply looks at all hosts again, leaves alone what is done, and goes on from there.");
        text
    }

    pub fn is_cancelled(&self) -> bool {
        self.failures.iter().all(|failure| matches!(failure.source, StepError::Cancelled))
    }
}

fn line(text: &mut String, line: &dyn fmt::Display) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{line}");
}
