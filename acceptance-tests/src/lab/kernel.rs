//! Kernel parameters that all hosts share with this machine. What the lab changes is put back when the last lab is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::command::run;
use super::{files, paths};

/// Many hosts need more than one machine does.
const LEAST: [(&str, u64); 2] = [("fs/inotify/max_user_instances", 8_192), ("fs/inotify/max_user_watches", 1_048_576)];

/// Connections the kernel remembers. kube-proxy insists on its own figure and cannot set it from a namespace.
const CONNECTIONS: &str = "net/netfilter/nf_conntrack_max";
const FORWARDING: &str = "net/ipv4/ip_forward";

/// Sets what hosts need and cannot set for themselves.
pub(super) fn prepare() -> Result<()> {
    for (name, least) in LEAST {
        if value(name)?.parse::<u64>().is_ok_and(|current| current < least) {
            set(name, &least.to_string())?;
        }
    }
    if !Path::new("/proc/sys").join(CONNECTIONS).exists() {
        run("modprobe", ["nf_conntrack"])?;
    }
    let processors = std::thread::available_parallelism().context("how many processors are there?")?;
    // What kube-proxy computes by default: so many for each processor, but no fewer than this.
    set(CONNECTIONS, &(32_768 * processors.get()).max(131_072).to_string())
}

/// Lets the machine pass on packets of hosts.
pub(super) fn forward_packets() -> Result<()> {
    set(FORWARDING, "1")
}

/// Puts back what was changed.
pub(super) fn restore() -> Result<()> {
    for (name, before) in changed()? {
        write(&name, &before)?;
    }
    files::remove(&record())
}

fn set(name: &str, wanted: &str) -> Result<()> {
    let before = value(name)?;
    if before == wanted {
        return Ok(());
    }
    let mut changed = changed()?;
    // What an earlier lab found counts, not what it left for this one.
    changed.entry(name.to_owned()).or_insert(before);
    files::write(&record(), &serde_json::to_string_pretty(&changed)?)?;
    write(name, wanted)
}

fn value(name: &str) -> Result<String> {
    Ok(files::read(&Path::new("/proc/sys").join(name))?.trim().to_owned())
}

fn write(name: &str, value: &str) -> Result<()> {
    std::fs::write(Path::new("/proc/sys").join(name), value).with_context(|| format!("could not set {name}"))
}

/// The parameters that labs changed, with their values before.
fn changed() -> Result<BTreeMap<String, String>> {
    let record = record();
    if !record.exists() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(&files::read(&record)?).with_context(|| format!("could not read {}", record.display()))
}

fn record() -> PathBuf {
    paths::runtime().join("kernel-parameters-before.json")
}
