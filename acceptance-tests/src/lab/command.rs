//! Runs programs; a failure names the command line and what the program said.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// A command with its arguments and no input.
pub fn command<Argument: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = Argument>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a program that must succeed and answers its standard output.
pub fn run<Argument: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = Argument>) -> Result<String> {
    output_of(&mut command(program, arguments))
}

/// Runs a command that must succeed and answers its standard output.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = finished(command)?;
    if !output.status.success() {
        bail!("{} failed with {}: {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command whose failure is an answer too.
pub fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(finished(command)?.status.success())
}

fn finished(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("could not start {}", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" "))
}
