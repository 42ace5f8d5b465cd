//! How hosts reach packages and images: through the machine where the real servers are reachable, else not at all, and
//! stand-ins answer under the same names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::command::{command, run, succeeds};
use super::network::{self, Network};
use super::services::{self, StandIns};
use super::{Lab, files, kernel};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// Hosts go out through the machine.
    Reachable,
    /// Hosts have no way out.
    StandIns,
}

/// Asked to know whether the real servers can be reached: one for packages, one for images.
const PROBES: [&str; 2] = ["https://pkgs.k8s.io/", "https://registry.k8s.io/v2/"];

/// Looks whether the real servers answer. `KUBEONE_LAB_UPSTREAM` (`reachable` or `stand-ins`) decides it by hand.
pub(super) fn detect() -> Result<Upstream> {
    match std::env::var_os("KUBEONE_LAB_UPSTREAM") {
        None => {}
        Some(value) if value == "reachable" => return Ok(Upstream::Reachable),
        Some(value) if value == "stand-ins" => return Ok(Upstream::StandIns),
        Some(value) => {
            bail!("KUBEONE_LAB_UPSTREAM is `{}`, neither `reachable` nor `stand-ins`", value.to_string_lossy())
        }
    }
    for url in PROBES {
        let flags = ["--silent", "--location", "--fail", "--max-time", "5", "--output", "/dev/null", url];
        // Nor does it answer where curl itself is missing.
        if !succeeds(&mut command("curl", flags)).unwrap_or(false) {
            return Ok(Upstream::StandIns);
        }
    }
    Ok(Upstream::Reachable)
}

/// Lets hosts out through the machine.
pub(super) fn open(lab: &Lab, network: Network) -> Result<()> {
    kernel::forward_packets()?;
    let (mark, link, subnet) = (network::namespace(&lab.name), network.uplink(), network.subnet());
    let comment = ["-m", "comment", "--comment", &mark];
    let rules: [&[&str]; 3] = [
        &["-t", "nat", "-I", "POSTROUTING", "-s", &subnet, "!", "-o", &link, "-j", "MASQUERADE"],
        &["-I", "FORWARD", "-i", &link, "-j", "ACCEPT"],
        &["-I", "FORWARD", "-o", &link, "-j", "ACCEPT"],
    ];
    for rule in rules {
        run("iptables", rule.iter().chain(&comment))?;
    }
    let gateway = network.machine().to_string();
    run("ip", ["-n", &mark, "route", "add", "default", "via", &gateway])?;
    let inside = command("sysctl", ["-q", "-w", "net.ipv4.ip_forward=1"]);
    super::command::output_of(&mut network::enter(&mark, &inside)).map(drop)
}

/// Takes back what [`open`] did, if it did anything.
pub(super) fn close(lab: &str) -> Result<()> {
    for (table, chain, rule) in rules_of(lab)? {
        let deletion = ["-t", table, "-D", chain].into_iter().map(str::to_owned);
        run("iptables", deletion.chain(rule.split_whitespace().map(str::to_owned)))?;
    }
    Ok(())
}

/// The packet filter rules of a lab: table, chain and the rest of the rule.
pub(super) fn rules_of(lab: &str) -> Result<Vec<(&'static str, &'static str, String)>> {
    let mark = format!("--comment {} ", network::namespace(lab));
    let mut rules = Vec::new();
    for (table, chain) in [("nat", "POSTROUTING"), ("filter", "FORWARD")] {
        let listed = run("iptables", ["-t", table, "-S", chain])?.replace('"', "");
        let own = listed.lines().filter(|rule| format!("{rule} ").contains(&mark));
        rules.extend(
            own.filter_map(|rule| Some((table, chain, rule.strip_prefix(&format!("-A {chain} "))?.to_owned()))),
        );
    }
    Ok(rules)
}

/// Writes into a host's root what it needs to find packages, images and names.
pub(super) fn prepare_host(lab: &Lab, name: &str, root: &Path) -> Result<()> {
    let state = lab.state()?;
    let mut hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n");
    let resolver = match state.upstream {
        Upstream::Reachable => resolver_of_the_machine()?,
        Upstream::StandIns => {
            // Debian itself is out of reach as well; all of it that a host needs is in the base image.
            files::remove(&root.join("etc/apt/sources.list"))?;
            let gateway = state.network.gateway();
            for name in services::NAMES {
                // Writing to a string cannot fail.
                let _ = writeln!(hosts, "{gateway} {name}");
            }
            trust_stand_ins(root)?;
            // CoreDNS does not start without a name server; here it gets one that refuses at once.
            format!("nameserver {gateway}\n")
        }
    };
    files::write(&root.join("etc/hosts"), &hosts)?;
    files::write(&root.join("etc/resolv.conf"), &resolver)
}

fn resolver_of_the_machine() -> Result<String> {
    // With systemd-resolved the usual file names a stub on the loopback, of no use to a host.
    let behind_the_stub = Path::new("/run/systemd/resolve/resolv.conf");
    let usual = Path::new("/etc/resolv.conf");
    files::read(if behind_the_stub.exists() { behind_the_stub } else { usual }).context("which name servers to use?")
}

/// Where the stand-ins of a lab serve.
pub(super) fn stand_ins(lab: &Lab, network: Network) -> StandIns {
    StandIns { address: network.gateway(), namespace: network::namespace(&lab.name), folder: stand_ins_folder(lab) }
}

pub(super) fn stand_ins_folder(lab: &Lab) -> PathBuf {
    lab.runtime().join("stand-ins")
}

/// Adds the lab's CA to what a host trusts: to the bundle, and to the folder the bundle is made from.
fn trust_stand_ins(root: &Path) -> Result<()> {
    let certificate = files::read(&services::ca_certificate()?)?;
    files::write(&root.join("usr/local/share/ca-certificates/kubeone-lab.crt"), &certificate)?;
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    files::write(&bundle, &format!("{}{certificate}", files::read(&bundle)?))
}
