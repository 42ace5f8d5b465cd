//! Measurements, each made by one command.

mod create;
mod grow;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time to create a cluster, beside a script that does the same by hand with kubeadm on equal hosts
    Create(create::Options),
    /// Time to plan for 10 to 1,000 hosts
    Plan,
    /// Time to look at 10 to 200 hosts over SSH, simulated on this machine
    Refresh,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Create(options) => create::run(options),
        Bench::Plan => grow::run("plan"),
        Bench::Refresh => grow::run("refresh"),
    }
}
