//! Where things of the project are: its root, and the programs cargo builds from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

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
    command.args(["build", "--package", package, "--bin", program, "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().context("could not start cargo")?;
    if !output.status.success() {
        bail!("`{program}` does not build");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut executables = messages.filter_map(|message| {
        let matches = message["target"]["name"] == program;
        if matches { message["executable"].as_str().map(PathBuf::from) } else { None }
    });
    executables.next().with_context(|| format!("cargo built no `{program}`"))
}
