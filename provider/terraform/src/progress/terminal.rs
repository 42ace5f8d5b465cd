//! Lines on the terminal while Terraform says "Still creating…": one when a step begins, one when it ends, and a reminder
//! of what is under way when nothing happened for a while. Plain lines, because Terraform writes between them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use tfplugin::visible_line;

use super::course::{Course, span};
use super::record::{ActionOutcome, Line, Record, RunOutcome};

#[cfg(windows)]
const TERMINAL: &str = "CONOUT$";
#[cfg(not(windows))]
const TERMINAL: &str = "/dev/tty";

const REMIND_AFTER: Duration = Duration::from_secs(15);

/// More names than that do not fit into a reminder.
const MOST_IN_REMINDER: usize = 4;

pub(super) struct Terminal {
    out: Box<dyn Write + Send>,
    cluster: String,
    steps: usize,
    done: usize,
    /// What is under way, by number: its words, and since when.
    running: BTreeMap<usize, (String, Instant)>,
    spoke: Instant,
}

impl Terminal {
    /// `None` where there is no terminal, as in CI.
    pub(super) fn open(course: &Course) -> Option<Self> {
        let file: io::Result<File> = OpenOptions::new().write(true).open(TERMINAL);
        Some(Self::on(file.ok()?, course))
    }

    fn on(out: impl Write + Send + 'static, course: &Course) -> Self {
        let run = &course.run;
        let mut terminal = Self {
            out: Box::new(out),
            cluster: run.cluster.clone(),
            steps: course.steps.len(),
            done: 0,
            running: BTreeMap::new(),
            spoke: Instant::now(),
        };
        let hosts = run.hosts.len();
        terminal.say(&format!("{}: {} steps on {hosts} hosts", run.operation, terminal.steps));
        terminal
    }

    /// For how long nothing needs to be said, if nothing happens.
    pub(super) fn quiet_for(&self) -> Duration {
        REMIND_AFTER.saturating_sub(self.spoke.elapsed())
    }

    pub(super) fn tell(&mut self, line: &Line) {
        match &line.record {
            Record::RunBegan(_) => {}
            Record::StageBegan { stage, of, title } => self.say(&format!("── stage {stage} of {of}: {title}")),
            Record::ActionBegan(it) => {
                self.running.insert(it.number, (it.what.text.clone(), Instant::now()));
                self.say(&format!("{} …", it.what.text));
            }
            Record::ActionEnded(it) => {
                self.running.remove(&it.number);
                let (text, took) = (&it.what.text, span(it.took));
                let note = it.note.as_deref().unwrap_or_default();
                let line = match it.outcome {
                    ActionOutcome::Failed => format!("{text}: FAILED after {took}"),
                    ActionOutcome::Interrupted => format!("{text}: interrupted after {took}"),
                    ActionOutcome::Skipped => format!("{text}: nothing to do ({note})"),
                    ActionOutcome::Warning => format!("{text}: done in {took}, with a warning: {note}"),
                    ActionOutcome::Done => format!("{text}: done in {took}"),
                };
                if !matches!(it.outcome, ActionOutcome::Failed | ActionOutcome::Interrupted) {
                    self.done += 1;
                }
                self.say(&format!("{line}  [{}/{}]", self.done, self.steps));
            }
            Record::RunEnded(it) => {
                let word = match it.outcome {
                    RunOutcome::Succeeded => "all steps are done",
                    RunOutcome::Failed => "failed",
                    RunOutcome::Interrupted => "interrupted",
                };
                self.running.clear();
                self.say(&format!("{word} after {}  [{}/{}]", span(line.seconds), self.done, self.steps));
            }
        }
    }

    /// Says what is under way, longest first.
    pub(super) fn remind(&mut self) {
        let mut running: Vec<_> = self.running.values().collect();
        running.sort_by_key(|(_, since)| *since);
        let named = running.iter().take(MOST_IN_REMINDER);
        let named: Vec<_> = named.map(|(text, since)| format!("{text} ({} s)", since.elapsed().as_secs())).collect();
        let more = match running.len().saturating_sub(MOST_IN_REMINDER) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if named.is_empty() {
            self.spoke = Instant::now();
        } else {
            self.say(&format!("under way: {}{more}", named.join(", ")));
        }
    }

    /// One write for each line, so that nothing comes between its parts.
    fn say(&mut self, text: &str) {
        self.spoke = Instant::now();
        // A terminal that went away is nobody who could be told.
        let line = format!("  {} │ {text}", self.cluster);
        // What hosts and the API said is part of it, and none of them may write to the terminal.
        let _ = self.out.write_all(format!("{}\n", visible_line(&line)).as_bytes());
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::expect;

    use super::*;
    use crate::progress::samples;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_step_is_said_when_it_begins_and_when_it_ends() {
        let lines = samples::failed(1, 1);
        let screen = Screen::default();
        let mut terminal = Terminal::on(screen.clone(), &Course::begin(&lines[0]).unwrap());
        for (index, line) in lines.iter().enumerate() {
            terminal.tell(line);
            if index == 3 {
                terminal.remind();
            }
        }
        terminal.remind();
        let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        // Indented, so that Terraform's own lines stand out; the expectation below cannot begin with spaces.
        assert!(said.lines().all(|line| line.starts_with("  ")));
        let said: String = said.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
        expect![[r"
            prod │ create: 6 steps on 2 hosts
            prod │ ── stage 1 of 4: prepare hosts
            prod │ cp-1: prepare control plane for Kubernetes 1.35.4 …
            prod │ w-1: prepare worker for Kubernetes 1.35.4 …
            prod │ under way: cp-1: prepare control plane for Kubernetes 1.35.4 (0 s), w-1: prepare worker for Kubernetes 1.35.4 (0 s)
            prod │ cp-1: prepare control plane for Kubernetes 1.35.4: done in 11 s  [1/6]
            prod │ w-1: prepare worker for Kubernetes 1.35.4: done in 12 s  [2/6]
            prod │ ── stage 2 of 4: initialise the cluster
            prod │ cp-1: initialize control plane with Kubernetes 1.35.4 …
            prod │ cp-1: initialize control plane with Kubernetes 1.35.4: done in 15 s  [3/6]
            prod │ ── stage 3 of 4: join nodes and apply addons
            prod │ cluster: apply addon canal …
            prod │ w-1: join worker …
            prod │ w-1: join worker: FAILED after 5.5 s  [3/6]
            prod │ cluster: apply addon canal: done in 6.2 s  [4/6]
            prod │ failed after 34 s  [4/6]
        "]].assert_eq(&said);
    }
    #[test]
    fn nobody_else_writes_to_the_terminal() {
        let mut lines = samples::failed(1, 1);
        let hostile = "\u{1b}[2J\u{1b}]8;;https://evil.example\u{7}\rall is well\n\u{9b}1A\u{202e}\u{8}";
        for line in &mut lines {
            if let Record::ActionEnded(end) = &mut line.record {
                end.outcome = ActionOutcome::Warning;
                end.note = Some(hostile.to_owned());
            }
        }
        let screen = Screen::default();
        let mut terminal = Terminal::on(screen.clone(), &Course::begin(&lines[0]).unwrap());
        for line in &lines {
            terminal.tell(line);
        }
        let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        let shown = r"with a warning: \u{1b}[2J\u{1b}]8;;https://evil.example\u{7}\u{d}all is well\u{a}\u{9b}1A\u{202e}\u{8}  [";
        assert!(said.contains(shown), "{said}");
        assert!(!said.contains(|it: char| it.is_control() && it != '\n'));
        assert!(said.lines().all(|line| line.starts_with("  prod │ ")), "{said}");
    }
}
