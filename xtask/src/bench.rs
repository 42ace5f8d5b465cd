//! Measurements, each made by one command.

mod create;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time to create a cluster, beside a script that does the same by hand with kubeadm on equal hosts
    Create(create::Options),
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Create(options) => create::run(options),
    }
}
