//! The Debian packages that the lab and the tests need on this machine.

use std::collections::BTreeSet;
use std::process::Command;

use acceptance_tests::lab::machine;
use anyhow::{Context, Result, bail};

use crate::run;

/// Installs what the lab lacks when it may, and says what is missing otherwise.
pub(crate) fn ensure() -> Result<()> {
    install(&machine::missing_packages()?)
}

/// The same for the lab and the tests together.
pub(crate) fn ensure_for_tests() -> Result<()> {
    let missing = machine::missing_packages()?.into_iter().chain(test_programs::missing_packages());
    let missing: BTreeSet<&str> = missing.collect();
    install(&missing.into_iter().collect::<Vec<_>>())
}

fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let install = format!("apt-get install --no-install-recommends {names}");
    if !is_root()? {
        bail!("these packages are missing, and only root can install them: run `sudo {install}`");
    }
    run::say(&format!("  installing {names}"));
    run::quiet(apt().arg("update"))?;
    run::quiet(apt().args(["install", "--yes", "--no-install-recommends"]).args(missing))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    command
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("could not ask `id` who we are")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
