//! `cargo-mutants` itself, in a folder of the user's cache.

use std::path::PathBuf;

use anyhow::Result;

use crate::cargo_tool;

/// The options we use and the form of its answers are those of this version.
const VERSION: &str = "27.1.0";

/// The program, installed when it is missing.
pub(super) fn ensure() -> Result<PathBuf> {
    cargo_tool::ensure(&folder()?.join("tool"), "cargo-mutants", VERSION, &["mutants", "--version"])
}

/// Where all that belongs to this command lies.
pub(super) fn folder() -> Result<PathBuf> {
    cargo_tool::folder("mutants")
}
