//! Tools from crates.io, each in one version, in folders of the user's cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::project;
use crate::run::{self, say};

/// Where what belongs to one of our commands lies.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    Ok(acceptance_tests::lab::paths::cache()?.with_file_name(name))
}

/// The program, installed below `root` when it is missing there. Asked with `ask`, it tells its version. What such tools do is
/// mostly reading and waiting: they need not be built to be fast.
pub(crate) fn ensure(root: &Path, tool: &str, version: &str, ask: &[&str]) -> Result<PathBuf> {
    let program = root.join("bin").join(tool);
    if !is_installed(&program, version, ask) {
        say(&format!("  installing {tool} {version}, which takes minutes"));
        let mut install = project::cargo();
        install.args(["install", "--locked", "--debug", "--version", version, "--root"]).arg(root);
        run::quiet(install.arg(tool))?;
    }
    Ok(program)
}

fn is_installed(program: &Path, version: &str, ask: &[&str]) -> bool {
    let output = Command::new(program).args(ask).stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(&format!(" {version}")))
}
