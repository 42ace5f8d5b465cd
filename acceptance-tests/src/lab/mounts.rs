//! Overlay mounts, and the removal of every mount below a folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::command::{command, run, succeeds};
use super::wait;

/// Mounts `upper` over `lower` at `target`; `work` is the overlay's scratch folder on the disk of `upper`.
pub(super) fn overlay(lower: &Path, upper: &Path, work: &Path, target: &Path) -> Result<()> {
    for folder in [upper, work, target] {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    if below(target)?.iter().any(|mounted| mounted == target) {
        return Ok(());
    }
    let mut options = OsString::from("lowerdir=");
    for (part, folder) in [("", lower), (",upperdir=", upper), (",workdir=", work)] {
        options.push(part);
        options.push(folder);
    }
    let (kind, source) = ("overlay".as_ref(), "kubeone-lab".as_ref());
    run("mount", ["-t".as_ref(), kind, "-o".as_ref(), options.as_os_str(), source, target.as_os_str()])?;
    Ok(())
}

/// Unmounts everything at and below this folder, the deepest first.
pub(super) fn remove_below(folder: &Path) -> Result<()> {
    for target in below(folder)?.into_iter().rev() {
        // A host that has just ended holds its mounts for a moment more.
        wait::until(&format!("{} is unmounted", target.display()), Duration::from_secs(5), || {
            Ok(succeeds(&mut command("umount", [&target]))? || !below(&target)?.contains(&target))
        })?;
    }
    Ok(())
}

/// The mounts at and below this folder, in the order they were made.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("could not read /proc/self/mounts")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    Ok(targets.filter(|target| target.starts_with(folder)).collect())
}
