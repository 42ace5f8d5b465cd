//! `cargo-mutants` itself, in a folder of the user's cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::run;

/// The options we use and the form of its answers are those of this version.
const VERSION: &str = "27.1.0";

/// The program, installed when it is missing.
pub(crate) fn ensure() -> Result<PathBuf> {
    let root = folder()?.join("tool");
    let program = root.join("bin/cargo-mutants");
    if !is_installed(&program) {
        run::say(&format!("  installing cargo-mutants {VERSION}"));
        let mut install = Command::new(env!("CARGO"));
        install.args(["install", "--locked", "--debug", "--version", VERSION, "--root"]).arg(&root);
        run::quiet(install.arg("cargo-mutants"))?;
    }
    Ok(program)
}

/// Where all that belongs to this command lies.
pub(super) fn folder() -> Result<PathBuf> {
    Ok(acceptance_tests::lab::paths::cache()?.with_file_name("mutants"))
}

fn is_installed(program: &Path) -> bool {
    let output = Command::new(program).args(["mutants", "--version"]).stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION))
}
