//! The project's commands. `cargo xtask demo` shows a real cluster, `cargo xtask test` runs everything that must pass.

mod bench;
mod cargo_tool;
mod demo;
mod deny;
mod docs;
mod fuzz;
mod images;
mod mutants;
mod packages;
mod project;
mod run;
mod sweep;
mod terraform;
mod test;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring up a real cluster on hosts made by Terraform on this machine
    Demo(demo::Options),
    /// Run everything that must pass
    Test(test::Options),
    /// Put faults into the code, and tell which of them the quick tests notice
    Mutants(mutants::Options),
    /// Disturb every action of operations on real clusters, and let `terraform apply` finish them
    Sweep(sweep::Options),
    /// Write the registry pages under docs/ from the provider's schema
    Docs {
        /// Fail when a page is stale instead of writing it
        #[arg(long)]
        check: bool,
    },
    /// Run the property tests for long
    Fuzz(fuzz::Options),
    /// Check what dependencies bring with them: licenses, sources, banned crates, known vulnerabilities
    Deny,
    /// The digests of the images that nodes pull
    #[command(subcommand)]
    Images(images::Images),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Look at or remove the hosts on this machine (`cargo xtask lab down`)
    Lab(LabArgs),
}

#[derive(Args)]
struct LabArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Sweep(options) => sweep::run(&options),
        Command::Docs { check } => test::docs(if check { docs::Mode::Check } else { docs::Mode::Write }),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Deny => deny::check(),
        Command::Images(images) => images::run(&images),
        Command::Bench(bench) => bench::run(&bench),
        Command::Lab(lab) => run::inherit(project::lab()?.args(lab.args)),
    }
}
