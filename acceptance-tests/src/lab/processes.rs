//! Looks at processes of this machine and sends them signals.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::command::{command, run, succeeds};

/// Sends a signal to each process. One that has ended by itself in the meantime is no failure.
pub(crate) fn signal(name: &str, pids: &BTreeSet<u32>) -> Result<()> {
    if !pids.is_empty() {
        let arguments = ["-s".to_owned(), name.to_owned(), "--".to_owned()];
        succeeds(&mut command("kill", arguments.into_iter().chain(pids.iter().map(u32::to_string))))?;
    }
    Ok(())
}

/// Sends a signal to all processes of a group, which has the number of the one that leads it.
pub(crate) fn signal_group(name: &str, leader: u32) -> Result<()> {
    run("kill", ["-s", name, "--", &format!("-{leader}")]).map(drop)
}

/// Everything a process has started, and what those have started.
pub(crate) fn descendants(ancestor: u32) -> Result<BTreeSet<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("could not list /proc")?.flatten() {
        if let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>()
            && let Some(parent) = parent(pid)
        {
            parents.push((pid, parent));
        }
    }
    let mut found = BTreeSet::from([ancestor]);
    while parents.iter().any(|(pid, parent)| found.contains(parent) && found.insert(*pid)) {}
    found.remove(&ancestor);
    Ok(found)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}

/// The name of a program that runs, as the kernel knows it.
pub(crate) fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Whether this process is the first one of a pid namespace: the init of a host.
pub(crate) fn is_init_of_a_namespace(pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let Some(ids) = status.lines().find_map(|line| line.strip_prefix("NSpid:")) else { return false };
    let ids: Vec<_> = ids.split_whitespace().collect();
    ids.len() == 2 && ids[1] == "1"
}
