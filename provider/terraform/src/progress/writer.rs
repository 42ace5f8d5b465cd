//! Writes the report and talks to the terminal on threads of their own: a slow disk, or a terminal that somebody has
//! stopped with Ctrl-S, must not hold up the change.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::course::Course;
use super::record::Line;
use super::report;
use super::terminal::Terminal;

/// So often the report is written anew although nothing happened: whoever looks at it sees that somebody is there.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Longer than this the end of a change does not wait for its watchers.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than a plan of a thousand hosts has events at the same moment. Past it, lines for the terminal are left out.
const QUEUE: usize = 10_000;

/// A thread that is told lines until it is dropped.
pub(super) struct Writer {
    lines: Option<SyncSender<Line>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn tell(&self, line: &Line) {
        if let Some(lines) = &self.lines {
            // A thread that is behind, or gone, is not waited for.
            let _ = lines.try_send(line.clone());
        }
    }

    /// The report at `path`; what cannot be written is noted in `problem`.
    pub(super) fn of_report(course: Course, path: PathBuf, problem: Arc<Mutex<Option<String>>>) -> Self {
        let began = Instant::now();
        let before = course.now;
        let mut course = course;
        let write = move |course: &Course| {
            if let Err(error) = report::write(course, Timestamp::now(), &path) {
                let text = format!("`{}`: {error}", path.display());
                problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
            }
        };
        Self::spawn("report", move |lines| {
            write(&course);
            loop {
                match lines.recv_timeout(HEARTBEAT) {
                    Ok(line) => {
                        course.tell(&line);
                        // What happened meanwhile goes onto the same page.
                        for line in lines.try_iter() {
                            course.tell(&line);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) if course.end.is_none() => {
                        course.now = course.now.max(before + began.elapsed().as_secs_f64());
                    }
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                write(&course);
            }
        })
    }

    /// Lines on the terminal.
    pub(super) fn of_terminal(mut terminal: Terminal) -> Self {
        Self::spawn("terminal", move |lines| {
            loop {
                match lines.recv_timeout(terminal.quiet_for()) {
                    Ok(line) => terminal.tell(&line),
                    Err(RecvTimeoutError::Timeout) => terminal.remind(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })
    }

    fn spawn(name: &str, work: impl FnOnce(mpsc::Receiver<Line>) + Send + 'static) -> Self {
        let (lines, receiver) = mpsc::sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(receiver));
        // Without a thread nobody watches, and the change goes on.
        Self { lines: Some(lines), thread: thread.ok() }
    }
}

/// Waits a moment, so that the last lines are written before the program ends.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.lines.take());
        let Some(thread) = self.thread.take() else { return };
        let (done, wait) = mpsc::channel();
        let joined = std::thread::Builder::new().spawn(move || {
            // A panic of a watcher concerns nobody else.
            let _ = thread.join();
            let _ = done.send(());
        });
        if joined.is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}
