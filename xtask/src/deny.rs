//! What dependencies bring with them: licenses, sources, crates that are banned, known vulnerabilities. `deny.toml` is the law.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::run::{self, say};
use crate::{cargo_tool, project};

/// The form of `deny.toml` is that of this version.
const VERSION: &str = "0.20.2";

/// What follows from `Cargo.lock` and the crates alone.
const LOCAL: [&str; 3] = ["bans", "licenses", "sources"];

/// Checks all of it. Advisories come from a git repository: where that is out of reach the check goes on with the copy of the
/// last time, or without one, and says so. A machine without that network is no reason to fail.
pub(crate) fn check() -> Result<()> {
    let deny = cargo_tool::ensure(&cargo_tool::folder("deny")?, "cargo-deny", VERSION, &["--version"])?;
    let check = |what: &[&str], flags: &[&str]| {
        let mut command = command(&deny);
        // Warnings are about crates in two versions: see `deny.toml`.
        command.args(["--log-level", "error", "--locked", "check", "--hide-inclusion-graph"]).args(flags).args(what);
        run::inherit(&mut command)
    };
    check(&LOCAL, &[])?;
    match fetch(&deny)? {
        Fetched::Now => check(&["advisories"], &["--disable-fetch"]),
        Fetched::Not { reason } if has_advisories()? => {
            say(&format!(
                "  advisories: those of an earlier run are used, as the database could not be fetched: {reason}"
            ));
            check(&["advisories"], &["--disable-fetch"])
        }
        Fetched::Not { reason } => {
            say(&format!("  advisories: skipped, the advisory database could not be fetched: {reason}"));
            Ok(())
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fetched {
    Now,
    Not { reason: String },
}

fn fetch(deny: &Path) -> Result<Fetched> {
    let output = command(deny).args(["fetch", "db"]).output().context("could not start cargo-deny")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(if output.status.success() { Fetched::Now } else { Fetched::Not { reason: reason(&said) } })
}

/// The last line that says something: git's own word for it.
fn reason(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.unwrap_or("it did not say why").to_owned()
}

/// Whether an earlier run has left the database where cargo-deny looks for it.
fn has_advisories() -> Result<bool> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"),
    };
    let Ok(databases) = std::fs::read_dir(home.join("advisory-dbs")) else { return Ok(false) };
    Ok(databases.flatten().any(|database| database.path().join("crates").is_dir()))
}

fn command(deny: &Path) -> Command {
    let mut command = Command::new(deny);
    // Whatever asks for a password would wait for ever.
    command.current_dir(project::root()).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_git_said_last() {
        let said = "2026-12-01 03:06:29 [ERROR] failed to fetch advisory database\nCloning into 'x'...\n\
                    fatal: unable to access 'https://github.com/': Could not resolve host: github.com\n\n";
        assert_eq!(reason(said), "fatal: unable to access 'https://github.com/': Could not resolve host: github.com");
        assert_eq!(reason("\n"), "it did not say why");
    }
}
