//! Where the lab keeps things: its definitions in the repository, caches on disk, the state of running labs under /run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The files that define the lab, in the repository.
pub fn definitions() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lab"))
}

/// What is worth keeping between runs, and the disks of running hosts. It must be a real disk: the hosts' roots are
/// overlay mounts, and an overlay cannot be stacked on an overlay for ever.
pub fn cache() -> Result<PathBuf> {
    let root = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache")
        }
    };
    Ok(root.join("kubeone/lab"))
}

/// The state of running labs, one folder each.
pub fn runtime() -> &'static Path {
    Path::new("/run/kubeone-lab")
}
