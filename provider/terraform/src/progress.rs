//! What people can watch while a cluster changes, and look at afterwards: a log, a report, lines on the terminal. Nothing
//! of it can hold up or fail the change itself.

mod log;
mod record;
mod settings;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use jiff::{Timestamp, Unit};
use kubeone_engine::{Event, Observed, Plan, Wanted};
use kubeone_spec::ProgressSettings;
use log::Log;
use record::{Line, Record, RunOutcome};
pub use settings::ProgressEnvironment;
use tfplugin::Diagnostics;

/// Whether somebody watches: what the environment and the provider block ask for.
#[derive(Clone)]
pub(crate) struct Progress {
    environment: ProgressEnvironment,
    settings: Arc<RwLock<ProgressSettings>>,
}

impl Progress {
    pub(crate) fn new(environment: ProgressEnvironment) -> Self {
        Self { environment, settings: Arc::default() }
    }

    pub(crate) fn configure(&self, settings: ProgressSettings) {
        // A panic cannot leave half a value behind, so a poisoned lock is as good as any.
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// A change begins: `operation` is `create`, `update` or `delete`.
    pub(crate) fn begin(
        &self,
        operation: &str,
        wanted: &Wanted,
        observed: &Observed,
        plan: &Plan,
        warnings: &Diagnostics,
    ) -> Watch {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let destination = self.environment.with(&settings);
        let mut watch = Watch { began: Instant::now(), log: None, problem: Mutex::default(), ended: false };
        if let Some(folder) = destination.folder {
            match Log::create(&folder, &wanted.spec.name, operation) {
                Ok(log) => watch.log = Some(log),
                Err(error) => watch.note(format!("`{}`: {error}", folder.display())),
            }
        }
        watch.tell(&watch.line(record::run_began(operation, wanted, observed, plan, texts(warnings))));
        watch
    }
}

/// A change under way, told event by event. Dropped before its end, it says that the change was interrupted.
pub(crate) struct Watch {
    began: Instant,
    log: Option<Log>,
    /// The first thing that could not be written.
    problem: Mutex<Option<String>>,
    ended: bool,
}

impl Watch {
    pub(crate) fn hear(&self, event: Event<'_>) {
        self.tell(&self.line(record::of_event(event)));
    }

    /// The change came to its end, and this is what the user will be told. What went wrong with the watching itself is
    /// added to it.
    pub(crate) fn end(mut self, cancelled: bool, diagnostics: &mut Diagnostics) {
        self.ended = true;
        let outcome = match diagnostics.has_errors() {
            true if cancelled => RunOutcome::Interrupted,
            true => RunOutcome::Failed,
            false => RunOutcome::Succeeded,
        };
        self.tell(&self.line(Record::run_ended(outcome, texts(diagnostics))));
        if let Some(problem) = self.problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
            diagnostics.warning(
                "the progress of this apply could not be written",
                format!("The apply itself is not concerned. What was wrong:\n{problem}"),
            );
        }
    }

    fn line(&self, record: Record) -> Line {
        Line { time: now(), seconds: record::rounded(self.began.elapsed()), record }
    }

    fn tell(&self, line: &Line) {
        if let Some(Err(error)) = self.log.as_ref().map(|log| log.write(line)) {
            self.note(format!("the log: {error}"));
        }
    }

    fn note(&self, problem: String) {
        tracing::warn!(problem, "progress could not be written");
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(&self.line(Record::dropped()));
        }
    }
}

/// Now, as precise as people need it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

/// Each message as one text.
fn texts(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(|it| format!("{}\n{}", it.summary, it.detail).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests;
