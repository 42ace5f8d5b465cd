//! Everything that must pass, quick parts first.

use anyhow::Result;
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
    journal.part("find or install the system packages that are needed", crate::packages::ensure)?;
    let terraform = journal.part("find terraform or build OpenTofu", terraform::ensure)?;
    if options.scenario.is_none() {
        journal.part("check the format", || run::inherit(project::cargo().args(["fmt", "--all", "--check"])))?;
        let lint = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        journal.part("lint", || run::inherit(project::cargo().args(lint)))?;
        let mut tests = project::cargo();
        tests.args(["test", "--workspace", "--quiet"]);
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
    journal.part("run the scenarios on real hosts", || {
        let mut command = project::cargo();
        command.args(["test", "--package", "acceptance-tests", "--features", "lab", "--test", "scenarios", "--"]);
        command.args(&options.scenario).env("KUBEONE_TERRAFORM", &terraform);
        command.env("KUBEONE_PROVIDER", &provider);
        run::inherit(&mut command)
    })
}

/// Writes or checks the registry pages with the schema that Terraform gets from the provider.
pub(crate) fn docs(mode: Mode) -> Result<()> {
    let provider = project::provider(Profile::Dev)?;
    let schema = terraform::provider_schema(&terraform::ensure()?, &provider)?;
    docs::run(project::root(), &schema, mode)
}
