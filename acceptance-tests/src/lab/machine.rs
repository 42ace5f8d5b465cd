//! What the lab asks of the machine it runs on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, ensure};

use super::command::{command, run, succeeds};
use super::{Upstream, files, network, paths, services, upstream};

/// The programs the lab calls and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 9] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("haproxy", "haproxy"),
    ("curl", "curl"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
    ("sysctl", "procps"),
];

/// Kernel parameters that many hosts on one machine share, and that no host can set from its namespace.
const LIMITS: [(&str, u64); 3] = [
    // kube-proxy wants to raise it and cannot.
    ("net.netfilter.nf_conntrack_max", 131_072),
    ("fs.inotify.max_user_instances", 8_192),
    ("fs.inotify.max_user_watches", 1_048_576),
];

/// Says what is missing before anything is begun.
pub(super) fn check(upstream: Upstream) -> Result<()> {
    ensure!(run("id", ["-u"])?.trim() == "0", "the lab makes namespaces and mounts: run it as root");
    let missing = missing_for(upstream)?;
    ensure!(missing.is_empty(), "the lab needs more programs: apt-get install {}", missing.join(" "));
    Ok(())
}

/// The Debian packages this machine lacks for a lab.
pub fn missing_packages() -> Result<Vec<&'static str>> {
    missing_for(upstream::detect()?)
}

fn missing_for(upstream: Upstream) -> Result<Vec<&'static str>> {
    let stand_ins = upstream == Upstream::StandIns;
    let mut missing = BTreeSet::new();
    for (program, package) in PROGRAMS.iter().chain(services::PROGRAMS.iter().filter(|_| stand_ins)) {
        let find = ["-c", "command -v \"$0\" >/dev/null", program];
        if !succeeds(command("sh", find).env("PATH", search_path()))? {
            missing.insert(*package);
        }
    }
    for library in services::LIBRARIES.iter().filter(|_| stand_ins) {
        if !succeeds(&mut command("dpkg-query", ["--status", library]))? {
            missing.insert(library);
        }
    }
    Ok(missing.into_iter().collect())
}

/// PATH, and the folders of system programs that it may lack.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// Raises the limits that are lower than many hosts need.
pub(super) fn raise_limits() -> Result<()> {
    for (name, wanted) in LIMITS {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        // No connection tracking yet: the kernel sets it up, with a fitting size, when it is first used.
        let Ok(current) = files::read(&path) else { continue };
        if current.trim().parse::<u64>().is_ok_and(|current| current < wanted) {
            run("sysctl", ["-q", "-w", &format!("{name}={wanted}")])?;
        }
    }
    Ok(())
}

/// Removes the folders that all labs share once the last one is gone. `ip` leaves a mount behind.
pub(super) fn forget_empty_folders() -> Result<()> {
    let is_empty = |folder: &Path| files::list(folder).is_ok_and(|entries| entries.is_empty());
    let namespaces = Path::new("/run/netns");
    if namespaces.exists() && is_empty(namespaces) && network::namespaces("")?.is_empty() {
        succeeds(&mut command("umount", [namespaces]))?;
        files::remove(namespaces)?;
    }
    for folder in [paths::runtime().to_owned(), paths::cache()?.join("instances")] {
        if folder.exists() && is_empty(&folder) {
            files::remove(&folder)?;
        }
    }
    Ok(())
}
