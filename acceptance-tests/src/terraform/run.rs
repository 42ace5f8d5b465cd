//! One run of terraform: what it said, whether it worked, and how to disturb it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::lab::{processes, wait};

/// The kernel keeps 15 characters of a program's name.
const PROVIDER_NAME: &str = "terraform-provi";

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    pub succeeded: bool,
    pub diagnostics: Vec<Diagnostic>,
    pub duration: Duration,
    /// The log files, without their endings `out`, `err` and `trace`.
    pub log: PathBuf,
}

/// What terraform complains about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Diagnostic {
    pub severity: String,
    pub summary: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub address: String,
}

#[derive(Deserialize)]
struct Line {
    diagnostic: Option<Diagnostic>,
}

impl Run {
    pub(super) fn foreground(command: Command, log: &Path) -> Result<Self> {
        Background::start(command, log)?.wait()
    }

    fn ended(status: ExitStatus, duration: Duration, log: &Path) -> Result<Self> {
        let out = log.with_extension("out");
        let text = fs::read_to_string(&out).with_context(|| format!("could not read {}", out.display()))?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let diagnostics = lines.filter_map(|line| line.diagnostic).collect();
        Ok(Self { succeeded: status.success(), diagnostics, duration, log: log.to_owned() })
    }

    /// Passes a run that worked; the error of another one carries its diagnostics.
    pub fn must_succeed(&self) -> Result<()> {
        if self.succeeded {
            return Ok(());
        }
        let errors: Vec<_> =
            self.errors().map(|error| format!("{} {}\n{}", error.address, error.summary, error.detail)).collect();
        let talk = fs::read_to_string(self.log.with_extension("err")).unwrap_or_default();
        bail!("terraform failed ({}):\n{}\n{}", self.log.display(), errors.join("\n\n"), talk.trim())
    }

    /// Passes a run that failed with such an error.
    pub fn must_fail_with(&self, words: &str) -> Result<()> {
        ensure!(!self.succeeded, "terraform was to fail with `{words}` and worked ({})", self.log.display());
        let found = self.errors().any(|error| error.summary.contains(words) || error.detail.contains(words));
        ensure!(found, "no error says `{words}`: {:#?}", self.diagnostics);
        Ok(())
    }

    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == "error")
    }

    /// All that its errors say, to look for words in.
    pub fn told(&self) -> String {
        let texts: Vec<_> = self.errors().flat_map(|error| [error.summary.as_str(), error.detail.as_str()]).collect();
        texts.join("\n")
    }

    /// Everything terraform and the provider wrote into their logs.
    pub fn trace(&self) -> Result<String> {
        let file = self.log.with_extension("trace");
        let bytes = fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A run under way. Dropped, it is killed with everything it started.
#[derive(Debug)]
pub struct Background {
    child: Child,
    started: Instant,
    log: PathBuf,
}

impl Background {
    /// In a process group of its own, as a shell starts it, so that all of it can be interrupted and nothing else.
    pub(super) fn start(mut command: Command, log: &Path) -> Result<Self> {
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("could not start {}", command.get_program().display()))?;
        Ok(Self { child, started: Instant::now(), log: log.to_owned() })
    }

    pub fn wait(mut self) -> Result<Run> {
        let status = self.child.wait().context("could not wait for terraform")?;
        Run::ended(status, self.started.elapsed(), &self.log)
    }

    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("could not look at terraform")?.is_none())
    }

    /// Ends the provider at once; terraform itself goes on and reports it.
    pub fn kill_provider(&self) -> Result<()> {
        let mut pids = processes::descendants(self.child.id())?;
        pids.retain(|pid| processes::name(*pid).is_some_and(|name| name == PROVIDER_NAME));
        ensure!(!pids.is_empty(), "terraform runs no provider");
        processes::signal("KILL", &pids)
    }

    /// Ends terraform and everything it started at once, as a lost machine would.
    pub fn kill_all(&self) -> Result<()> {
        let mut pids = processes::descendants(self.child.id())?;
        pids.insert(self.child.id());
        processes::signal("KILL", &pids)
    }

    /// Asks terraform to stop, as Ctrl-C does: a terminal sends it to whatever terraform started, too.
    pub fn interrupt(&self) -> Result<()> {
        processes::signal_group("INT", self.child.id())
    }

    /// Waits until terraform has said this.
    pub fn wait_until_it_says(&self, words: &str, limit: Duration) -> Result<()> {
        let out = self.log.with_extension("out");
        let said = || fs::read_to_string(&out).with_context(|| format!("could not read {}", out.display()));
        wait::until(&format!("terraform says `{words}`"), limit, || Ok(said()?.contains(words)))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nobody is left to tell about a failure here.
            let _ = self.kill_all();
            let _ = self.child.wait();
        }
    }
}
