//! The cgroups of a host: one in every hierarchy of the machine, so that everything a host runs can be found and ended.
//!
//! They sit at the root of each hierarchy, so that a host does not end with the session that made it. The unified
//! hierarchy counts even where the controllers are v1: without an own cgroup there, hosts would share one tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{processes, wait};

/// Makes the cgroups of this name and answers their folders.
pub(super) fn create(name: &str) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("could not create the cgroup {}", folder.display()))?;
        // A new v1 cpuset is empty, and no process can enter an empty one.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.ends_with("cpuset") {
                fs::copy(hierarchy.join(file), folder.join(file))
                    .with_context(|| format!("could not copy {file} to {}", folder.display()))?;
            }
        }
        enable_controllers(&hierarchy)?;
        folders.push(folder);
    }
    Ok(folders)
}

/// All processes in the cgroups of this name and below.
pub(super) fn members(name: &str) -> Result<BTreeSet<u32>> {
    let mut pids = BTreeSet::new();
    for hierarchy in hierarchies()? {
        collect_members(&hierarchy.join(name), &mut pids);
    }
    Ok(pids)
}

/// Ends every process in the cgroups of this name at once, as a power cut would.
pub(super) fn kill(name: &str) -> Result<()> {
    wait::until(&format!("all processes of `{name}` have ended"), Duration::from_secs(20), || {
        let pids = members(name)?;
        processes::signal("KILL", &pids)?;
        Ok(pids.is_empty())
    })
}

/// Removes the cgroups of this name, which hold no process any more.
pub(super) fn remove(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(name);
        // The kernel lets go of ended processes a moment later.
        wait::until(&format!("{} is removed", folder.display()), Duration::from_secs(5), || {
            Ok(remove_tree(&folder).is_ok())
        })?;
    }
    Ok(())
}

/// The names of all cgroups that start so.
pub(super) fn names(prefix: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for hierarchy in hierarchies()? {
        for entry in fs::read_dir(&hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) {
                names.insert(name);
            }
        }
    }
    Ok(names)
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("could not read /proc/self/mounts")?;
    let is_cgroup = |kind: &str| kind == "cgroup" || kind == "cgroup2";
    Ok(mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, target, kind) = (words.next()?, words.next()?, words.next()?);
            is_cgroup(kind).then(|| PathBuf::from(target))
        })
        .collect())
}

/// On a machine with only the unified hierarchy the controllers must be handed down by name.
fn enable_controllers(hierarchy: &Path) -> Result<()> {
    let Ok(available) = fs::read_to_string(hierarchy.join("cgroup.controllers")) else { return Ok(()) };
    for controller in available.split_whitespace() {
        fs::write(hierarchy.join("cgroup.subtree_control"), format!("+{controller}"))
            .with_context(|| format!("could not enable the controller {controller}"))?;
    }
    Ok(())
}

fn collect_members(folder: &Path, pids: &mut BTreeSet<u32>) {
    let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    pids.extend(procs.lines().filter_map(|line| line.parse::<u32>().ok()));
    for child in child_folders(folder) {
        collect_members(&child, pids);
    }
}

fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for child in child_folders(folder) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn child_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
