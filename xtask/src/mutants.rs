//! Puts small faults into the code, one at a time, and tells which of them the quick tests notice.
//!
//! It works on a copy of the checkout in a folder of its own, whose build stays warm from run to run, and never touches the
//! checkout. What is mutated is said by `.cargo/mutants.toml`, so `cargo mutants` alone picks the same faults.

mod copy;
mod outcomes;
mod sample;
mod script_faults;
mod scripts;
mod tool;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::outcomes::Outcomes;
use self::sample::Mutant;
use crate::run::{self, Journal, say};

#[derive(Args)]
pub(crate) struct Options {
    /// Only mutants of these packages
    #[arg(long, short)]
    package: Vec<String>,
    /// Only mutants in files that match these globs
    #[arg(long, short)]
    file: Vec<String>,
    /// Only mutants whose name, as `--list` prints it, matches one of these regular expressions
    #[arg(long)]
    re: Vec<String>,
    /// So many of them, drawn at random; equal seeds draw equal mutants
    #[arg(long)]
    sample: Option<usize>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many to try at the same time. Each needs a copy of the build folder
    #[arg(long, short, default_value_t = 1)]
    jobs: usize,
    /// Seconds that the tests may take before a mutant counts as one that hangs, and so as noticed
    #[arg(long, default_value_t = 120)]
    timeout: u32,
    /// Say which mutants there are, and try none
    #[arg(long)]
    list: bool,
    /// Faults in the scripts of hosts instead, from `provider/hosts/tests/scripts/mutants.txt`; of the other options `--file` (a
    /// part of a path), `--sample`, `--seed`, `--jobs`, `--list` and `--goal` count
    #[arg(long)]
    scripts: bool,
    /// Fail when less than this share of the mutants is noticed, in percent
    #[arg(long, default_value_t = 90)]
    goal: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut journal = Journal::default();
    let result = parts(options, &mut journal);
    if !options.list {
        say(&journal.summary());
    }
    result
}

fn parts(options: &Options, journal: &mut Journal) -> Result<()> {
    if options.scripts {
        let &Options { sample, seed, jobs, list, goal, .. } = options;
        let attempt = scripts::Attempt { files: &options.file, sample, seed, jobs, list, goal };
        return scripts::run(&attempt, journal);
    }
    let tool = journal.part("find or install cargo-mutants", tool::ensure)?;
    let copy = journal.part("bring the copy of the checkout up to date", copy::refresh)?;
    let all = list(&tool, &copy, options)?;
    let matching = sample::matching(&all, &options.re)?;
    ensure!(!matching.is_empty(), "no mutant matches");
    let count = matching.len();
    let drawn = match options.sample {
        Some(size) => sample::draw(matching, size, options.seed),
        None => matching,
    };
    if options.list {
        for mutant in &drawn {
            say(&mutant.name);
        }
        return Ok(());
    }
    say(&format!("  {} of {count} mutants are tried", drawn.len()));
    journal.part("build the tests without a fault", || without_fault(&copy, &drawn))?;
    let outcomes = journal.part("try the mutants", || attempt(&tool, &copy, options, &all, &drawn))?;
    say(&outcomes.table());
    let rate = outcomes.rate();
    ensure!(
        rate >= f64::from(options.goal),
        "only {rate:.0} % of the mutants are noticed; the goal is {} %",
        options.goal
    );
    Ok(())
}

/// `cargo mutants` in the copy.
fn mutants(tool: &Path, copy: &Path) -> Command {
    let mut command = Command::new(tool);
    // Debug information is half of the time that linking takes.
    command.arg("mutants").current_dir(copy).env("CARGO_PROFILE_DEV_DEBUG", "false");
    // A mutant must not be noticed for what is missing on this machine, nor by rewriting what is expected.
    command.env_remove("UPDATE_EXPECT");
    command
}

/// Those that the options name, in `cargo mutants` as well as here.
fn selected(tool: &Path, copy: &Path, options: &Options) -> Command {
    let mut command = mutants(tool, copy);
    for (flag, values) in [("--package", &options.package), ("--file", &options.file)] {
        command.args(values.iter().flat_map(|value| [flag, value]));
    }
    command
}

fn list(tool: &Path, copy: &Path, options: &Options) -> Result<Vec<Mutant>> {
    let mut command = selected(tool, copy, options);
    sample::read(&run::output(command.args(["--list", "--json"]))?)
}

/// Whatever fails now would be taken for the notice of a fault.
fn without_fault(copy: &Path, mutants: &[Mutant]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(copy).env("CARGO_PROFILE_DEV_DEBUG", "false").env_remove("UPDATE_EXPECT");
    command.args(["test", "--quiet", "--lib"]);
    command.args(sample::packages(mutants).into_iter().flat_map(|package| ["--package", package]));
    run::quiet(&mut command)
}

fn attempt(tool: &Path, copy: &Path, options: &Options, all: &[Mutant], drawn: &[Mutant]) -> Result<Outcomes> {
    let results = copy.parent().map_or_else(|| PathBuf::from("results"), |folder| folder.join("results"));
    sample::leave_out(&results, all, drawn)?;
    let mut command = selected(tool, copy, options);
    command.args(["--iterate", "--baseline", "skip", "--no-times", "--colors", "never", "--output"]).arg(&results);
    command.args(["--timeout", &options.timeout.to_string()]);
    if options.jobs > 1 {
        command.args(["--jobs", &options.jobs.to_string()]);
    } else {
        command.arg("--in-place");
    }
    // The status says that mutants were missed, which the table tells better.
    command.status().context("could not start cargo-mutants")?;
    Outcomes::read(&results.join("mutants.out/outcomes.json"), drawn)
}
