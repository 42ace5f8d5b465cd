//! Where things of the project are: its root, and the programs cargo builds from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// `cargo` in the root of the repository, as it called us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root());
    command
}

/// Which build of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// Builds the provider and tells where it is.
pub(crate) fn provider(profile: Profile) -> Result<PathBuf> {
    build("terraform-provider-kubeone", "terraform-provider-kubeone", profile)
}

/// The `lab` command, built when needed.
pub(crate) fn lab() -> Result<Command> {
    Ok(Command::new(lab_program()?))
}

pub(crate) fn lab_program() -> Result<PathBuf> {
    build("acceptance-tests", "lab", Profile::Dev)
}

fn build(package: &str, program: &str, profile: Profile) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", package, "--bin", program]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let messages = built(&mut command).with_context(|| format!("`{program}` does not build"))?;
    let mut of_it = messages.iter().filter(|message| message["target"]["name"] == program);
    let executable = of_it.find_map(|message| message["executable"].as_str());
    executable.map(PathBuf::from).with_context(|| format!("cargo built no `{program}`"))
}

/// Lets cargo build, and returns its messages about all that is built. What a compiler complains of is shown.
pub(crate) fn built(command: &mut Command) -> Result<Vec<Value>> {
    let messages = run::output(command.arg("--message-format=json-render-diagnostics"))?;
    Ok(messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
