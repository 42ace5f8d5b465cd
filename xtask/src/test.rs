//! Everything that must pass, quick parts first.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::docs::{self, Mode};
use crate::project::{self, Profile};
use crate::run::{self, Journal, say};
use crate::terraform;

#[derive(Args)]
pub(crate) struct Options {
    /// Leave out the scenarios on real hosts
    #[arg(long)]
    fast: bool,
    /// Run all scenarios, which takes hours, and not only the usual ones and one of the longer ones, another one each day
    #[arg(long, conflicts_with_all = ["fast", "scenario"])]
    all: bool,
    /// Run only the scenarios whose name contains this
    #[arg(long)]
    scenario: Option<String>,
}

/// The version of Kubernetes that the scenarios install.
const KUBERNETES: &str = "1.35.4";

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut journal = Journal::default();
    let result = parts(options, &mut journal);
    say(&journal.summary());
    result
}

fn parts(options: &Options, journal: &mut Journal) -> Result<()> {
    journal.part("find or install the system packages that are needed", crate::packages::ensure_for_tests)?;
    let terraform = journal.part("find terraform or build OpenTofu", terraform::ensure)?;
    if options.scenario.is_none() {
        journal.part("check the format", || run::inherit(project::cargo().args(["fmt", "--all", "--check"])))?;
        let lint = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        journal.part("lint", || run::inherit(project::cargo().args(lint)))?;
        journal.part("check what dependencies bring with them", crate::deny::check)?;
        let mut tests = project::cargo();
        tests.args(["test", "--workspace", "--quiet"]).env("KUBEONE_TERRAFORM", &terraform);
        if !options.fast {
            tests.env("KUBEONE_TOFU", journal.part("find or build OpenTofu", terraform::opentofu)?);
        }
        journal.part("run the quick tests", || run::inherit(&mut tests))?;
        journal.part("check that the registry pages are fresh", || docs(Mode::Check))?;
    }
    if options.fast {
        return Ok(());
    }
    let provider = journal.part("build the provider", || project::provider(Profile::Dev))?;
    journal.part("prepare the lab", || {
        run::inherit(project::lab()?.args(["prepare", "--kubernetes-version", KUBERNETES]))
    })?;
    let on_real_hosts = |test: &str| {
        let mut command = project::cargo();
        command.args(["test", "--package", "acceptance-tests", "--features", "lab", "--test", test, "--"]);
        command.env("KUBEONE_TERRAFORM", &terraform).env("KUBEONE_PROVIDER", &provider);
        command
    };
    let mut scenarios = on_real_hosts("scenarios");
    scenarios.args(&options.scenario).args(options.all.then_some("--all"));
    journal.part("run the scenarios on real hosts", || run::inherit(&mut scenarios))?;
    if options.scenario.is_some() {
        return Ok(());
    }
    let turn = format!("--turn={}", days_since_1970()?);
    if !options.all {
        journal.part("run one of the longer scenarios", || run::inherit(on_real_hosts("scenarios").arg(&turn)))?;
    }
    journal.part("disturb a part of an operation", || run::inherit(on_real_hosts("sweep").arg(&turn)))
}

/// Another scenario and another part of the sweep each day, and the same ones for whoever looks into a failure on the day.
fn days_since_1970() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(now.as_secs() / (24 * 60 * 60))
}

/// Writes or checks the registry pages with the schema that Terraform gets from the provider.
pub(crate) fn docs(mode: Mode) -> Result<()> {
    let provider = project::provider(Profile::Dev)?;
    let schema = terraform::provider_schema(&terraform::ensure()?, &provider)?;
    docs::run(project::root(), &schema, mode)
}
