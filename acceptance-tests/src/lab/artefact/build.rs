//! Builds one binary with the ordinary `go` client.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::recipe::Recipe;
use crate::lab::command::{command, output_of};

/// Builds a package of the recipe's module, or of one it requires, and keeps the binary once it is complete.
pub(super) fn build_binary(recipe: &Recipe, package: &str, target: &Path) -> Result<()> {
    let draft = target.with_file_name(format!(".unfinished.{}", std::process::id()));
    // Link flags are part of Go's cache key as they are written: one spelling, whatever the line breaks of the recipe.
    let link_flags: Vec<_> = ["-s", "-w"].into_iter().chain(recipe.link_flags.split_whitespace()).collect();
    let mut build = command("go", ["build", "-trimpath", "-buildvcs=false", "-mod=readonly"]);
    build
        .arg(format!("-tags={}", recipe.tags.join(",")))
        .arg(format!("-ldflags={}", link_flags.join(" ")))
        .arg("-o")
        .args([&draft, Path::new(package)])
        .env("CGO_ENABLED", if recipe.cgo { "1" } else { "0" })
        .current_dir(&recipe.module);
    output_of(&mut build).with_context(|| format!("could not build {package}"))?;
    fs::rename(&draft, target).with_context(|| format!("could not keep {}", target.display()))
}
