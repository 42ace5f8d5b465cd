//! What the lab asks of the machine it runs on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, ensure};

use super::command::{command, run, succeeds};
use super::{Upstream, files, kernel, paths, services, upstream};

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

/// Removes what all labs share once the last one is gone. `ip` leaves a mount behind.
pub(super) fn forget_last_lab() -> Result<()> {
    let is_empty = |folder: &Path| files::list(folder).is_ok_and(|entries| entries.is_empty());
    if !files::list(paths::runtime())?.iter().any(|entry| entry.is_dir()) {
        kernel::restore()?;
    }
    let namespaces = Path::new("/run/netns");
    if namespaces.exists() && is_empty(namespaces) {
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
