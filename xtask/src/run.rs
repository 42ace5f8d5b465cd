//! Runs commands one after the other, says what is going on, and how long each took.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// How many lines of a failed command are shown.
const LAST_LINES: usize = 60;

/// What was done and how long it took, in order.
#[derive(Default)]
pub(crate) struct Journal {
    entries: Vec<(String, Duration)>,
}

impl Journal {
    /// Runs a part under a title and remembers its time.
    pub(crate) fn part<T>(&mut self, title: &str, part: impl FnOnce() -> Result<T>) -> Result<T> {
        say(&format!("▸ {title}"));
        let start = Instant::now();
        let result = part().with_context(|| format!("could not {title}"));
        let time = start.elapsed();
        self.entries.push((title.to_owned(), time));
        if result.is_ok() {
            say(&format!("  done in {}", seconds(time)));
        }
        result
    }

    /// A table of all parts.
    pub(crate) fn summary(&self) -> String {
        let total: Duration = self.entries.iter().map(|(_, time)| *time).sum();
        let lines = self.entries.iter().map(|(title, time)| format!("{:>9}  {title}\n", seconds(*time)));
        lines.chain([format!("{:>9}  in all\n", seconds(total))]).collect()
    }
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Says something to the person in front of the terminal.
pub(crate) fn say(text: &str) {
    // Nobody to talk to is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs a command whose output goes where ours goes.
pub(crate) fn inherit(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start {}", name(command)))?;
    if status.success() { Ok(()) } else { bail!("`{}` failed with {status}", line(command)) }
}

/// Runs a command behind a spinner that shows its last line; its output is shown only when it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("could not open a pipe")?;
    let stderr = writer.try_clone().context("could not share a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("could not start {}", name(command)))?;
    // The command keeps the writing ends; the reader would never see the end otherwise.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let spinner = spinner();
    let mut last = VecDeque::new();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap_or_else(|error| format!("(unreadable: {error})"));
        spinner.set_message(line.clone());
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    let status = child.wait().context("could not wait")?;
    spinner.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    let output: Vec<_> = last.into_iter().collect();
    bail!("`{}` failed with {status}:\n{}", line(command), output.join("\n"))
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("could not start {}", name(command)))?;
    if !output.status.success() {
        bail!("`{}` failed with {}", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print text", line(command)))
}

/// A spinner on a terminal, nothing elsewhere.
fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  {spinner} {elapsed:>4} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
