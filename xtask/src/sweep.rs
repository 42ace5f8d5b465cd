//! Disturbs every action of operations on real clusters; see `acceptance-tests/src/sweep.rs`.

use anyhow::Result;
use clap::Args;

use crate::project::{self, Profile};
use crate::{packages, run, terraform};

#[derive(Args)]
pub(crate) struct Options {
    /// Operations (create, upgrade, …) and faults (provider-killed, …); of which none is named, all are meant
    only: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure()?;
    let terraform = terraform::ensure()?;
    let provider = project::provider(Profile::Dev)?;
    let mut command = project::cargo();
    command.args(["test", "--package", "acceptance-tests", "--features", "lab", "--test", "sweep", "--"]);
    command.args(&options.only).env("KUBEONE_TERRAFORM", &terraform).env("KUBEONE_PROVIDER", &provider);
    run::inherit(&mut command)
}
