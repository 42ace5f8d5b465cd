//! What people can watch while a cluster changes, and look at afterwards: a log, a report, lines on the terminal. Nothing
//! of it can hold up or fail the change itself.

mod course;
mod log;
mod private;
mod record;
mod report;
#[cfg(test)]
mod samples;
mod settings;
mod terminal;
mod writer;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use course::Course;
use jiff::{Timestamp, Unit};
use kubeone_engine::Event;
use kubeone_facts::Observed;
use kubeone_plan::{Plan, Wanted};
use kubeone_spec::ProgressSettings;
use log::Log;
use record::{Line, Record, RunOutcome};
pub use settings::ProgressEnvironment;
use terminal::Terminal;
use tfplugin::Diagnostics;
use writer::Writer;

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
        let mut watch =
            Watch { began: Instant::now(), log: None, writers: Vec::new(), problem: Arc::default(), ended: false };
        let line = watch.line(record::run_began(operation, wanted, observed, plan, texts(warnings)));
        let Some(course) = Course::begin(&line) else { return watch };
        if let Some(folder) = destination.folder {
            match Log::create(&folder, &wanted.spec.name, operation) {
                Ok(log) => {
                    let report = log.path().with_extension("html");
                    watch.writers.push(Writer::of_report(course.clone(), report, Arc::clone(&watch.problem)));
                    watch.log = Some(log);
                }
                Err(error) => watch.note(format!("`{}`: {error}", folder.display())),
            }
        }
        if destination.terminal {
            watch.writers.extend(Terminal::open(&course).map(Writer::of_terminal));
        }
        watch.tell(&line);
        watch
    }
}

/// A change under way, told event by event. Dropped before its end, it says that the change was interrupted.
pub(crate) struct Watch {
    began: Instant,
    log: Option<Log>,
    writers: Vec<Writer>,
    /// The first thing that could not be written.
    problem: Arc<Mutex<Option<String>>>,
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
        self.writers.clear();
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
        self.writers.iter().for_each(|writer| writer.tell(line));
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
