//! The stand-ins: servers under the names hosts take packages and images from, where the real ones are out of reach.
//!
//! [`prepare`] makes what they serve and keeps it in the cache; [`start`] serves it on one address, with certificates of
//! a lab CA that hosts must trust. What is prepared while they run is served at once.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::command::{command, output_of, succeeds};
use super::{files, network, paths, processes, wait};

mod certificates;
mod name_server;
mod nginx;
mod prepare;
mod registry;

pub use certificates::ca_certificate;
pub use prepare::{Wanted, prepare};

/// The names the stand-ins answer to: web servers first, then registries.
pub const NAMES: [&str; 11] = [
    "pkgs.k8s.io",
    "download.docker.com",
    "dl.k8s.io",
    "registry.k8s.io",
    "docker.io",
    "registry-1.docker.io",
    "index.docker.io",
    "auth.docker.io",
    "quay.io",
    "ghcr.io",
    "gcr.io",
];

/// The programs that the stand-ins and their content need, with the Debian packages that bring them.
///
/// Go is not among them: Debian's is too old, see [`super::artefact::check_go`].
pub const PROGRAMS: [(&str, &str); 18] = [
    ("gcc", "build-essential"),
    ("nginx", "nginx-light"),
    ("docker-registry", "docker-registry"),
    ("openssl", "openssl"),
    ("gpg", "gpg"),
    ("gpgconf", "gpgconf"),
    ("gzip", "gzip"),
    ("dpkg-deb", "dpkg"),
    ("apt-ftparchive", "apt-utils"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("ldd", "libc-bin"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("ipset", "ipset"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("curl", "curl"),
];

/// Debian packages that bring no program: libraries to build with.
pub const LIBRARIES: [&str; 1] = ["libseccomp-dev"];

/// Where to serve, and where the servers keep their state.
#[derive(Debug, Clone)]
pub struct StandIns {
    /// The address hosts find behind [`NAMES`].
    pub address: Ipv4Addr,
    /// The network namespace that has the address; its loopback must be up.
    pub namespace: String,
    /// Configuration, logs and process ids.
    pub folder: PathBuf,
}

/// Starts the servers, detached from this process, and answers once they accept connections.
pub fn start(stand_ins: &StandIns) -> Result<()> {
    stop(&stand_ins.folder)?;
    files::create_folder(&stand_ins.folder)?;
    let inside = |command: &_| output_of(&mut network::enter(&stand_ins.namespace, command)).map(drop);
    inside(&name_server::server(stand_ins)?).context("could not start the name server")?;
    inside(&registry::server(&stand_ins.folder, registry::INSIDE)?).context("could not start the image registry")?;
    inside(&nginx::server(stand_ins)?).context("could not start the web server")?;
    let mut ready = network::enter(&stand_ins.namespace, &nginx::probe(stand_ins.address)?);
    wait::until("the stand-ins answer", Duration::from_secs(20), || succeeds(&mut ready))
        .with_context(|| format!("the logs are in {}", stand_ins.folder.display()))
}

/// Ends the servers whose state is in this folder, if there are any.
pub fn stop(folder: &Path) -> Result<()> {
    for name in [nginx::PID_FILE, registry::PID_FILE, name_server::PID_FILE] {
        end(&folder.join(name))?;
    }
    Ok(())
}

/// A command that leaves a program running in a session of its own, with its process id and output in these files.
/// Arguments added to it are the program's.
fn detached(folder: &Path, pid_file: &str, log: &str, program: &Path) -> Command {
    let start = "echo $$ >\"$1\"; log=$2; shift 2; exec \"$@\" >\"$log\" 2>&1";
    let mut detached = command("setsid", ["--fork", "sh", "-c", start, "detached"]);
    detached.arg(folder.join(pid_file)).arg(folder.join(log)).arg(program);
    detached
}

/// Ends the server whose process id is in this file.
fn end(pid_file: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(pid_file) else { return Ok(()) };
    let pid = text.trim().parse().with_context(|| format!("{} holds no process id", pid_file.display()))?;
    processes::signal("TERM", &[pid].into())?;
    wait::until(&format!("process {pid} has ended"), Duration::from_secs(10), || Ok(!processes::is_alive(pid)))?;
    files::remove(pid_file)
}

/// What the web servers serve, one folder per name.
fn web() -> Result<PathBuf> {
    Ok(paths::cache()?.join("web"))
}
