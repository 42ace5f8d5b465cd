//! What a person sees while things are built: bars on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

#[derive(Debug, Clone)]
pub struct Progress {
    /// `None` where standard error is no terminal.
    bars: Option<MultiProgress>,
}

/// One piece of work with a known number of steps. It says how long it took when it is done.
#[derive(Debug)]
pub struct Task {
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress {
    pub fn on_standard_error() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    pub fn begin(&self, name: &str, steps: usize) -> Task {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(steps as u64));
            // A fixed template; with the default look where this version of the crate should not take it.
            if let Ok(style) = ProgressStyle::with_template("{prefix:24} {bar:24} {pos}/{len} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Task { name: name.to_owned(), bar, begun: Instant::now() }
    }
}

impl Task {
    /// Says what comes next; what came before is finished.
    pub fn step(&self, what: &str) {
        match &self.bar {
            Some(bar) => {
                if !bar.message().is_empty() {
                    bar.inc(1);
                }
                bar.set_message(what.to_owned());
            }
            None => eprintln!("{}: {what}", self.name),
        }
    }

    pub fn done(self) {
        let seconds = self.begun.elapsed().as_secs();
        match &self.bar {
            Some(bar) => {
                bar.set_position(bar.length().unwrap_or(0));
                bar.finish_with_message("done");
            }
            None => eprintln!("{}: done in {seconds} s", self.name),
        }
    }
}
