//! The network of a lab: one namespace with a bridge, and one namespace per host on it.
//!
//! A veth pair joins the bridge to the machine's own namespace, so that terraform, kubectl and ssh reach hosts without
//! further ado. Nothing routes from the bridge to anywhere else unless [`super::upstream`] says so.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::command::{command, output_of, run, succeeds};
use super::processes;

/// Every namespace of every lab starts so.
const PREFIX: &str = "kubeone-lab.";
const BRIDGE: &str = "hosts";
/// The first address of a host; those below are the lab's own.
const FIRST_HOST: u8 = 11;
const LAST_HOST: u8 = 250;

/// The address plan of one lab: `10.77.<index>.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub index: u8,
}

impl Network {
    pub fn address(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.index, last)
    }

    /// The bridge: the hosts' gateway, and where stand-ins listen.
    pub fn gateway(self) -> Ipv4Addr {
        self.address(1)
    }

    pub fn load_balancer(self) -> Ipv4Addr {
        self.address(2)
    }

    /// The machine, as hosts see it.
    pub fn machine(self) -> Ipv4Addr {
        self.address(254)
    }

    pub fn subnet(self) -> String {
        format!("{}/24", self.address(0))
    }

    /// The link in the machine's own namespace.
    pub fn uplink(self) -> String {
        format!("kubeonelab{}", self.index)
    }

    pub fn is_host(self, address: Ipv4Addr) -> bool {
        let [a, b, c, last] = address.octets();
        [a, b, c] == [10, 77, self.index] && (FIRST_HOST..=LAST_HOST).contains(&last)
    }

    pub fn free_host(self, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
        let mut addresses = (FIRST_HOST..=LAST_HOST).map(|last| self.address(last));
        addresses.find(|address| !taken.contains(address)).context("all addresses of the lab are taken")
    }
}

/// The name of a lab's namespace.
pub fn namespace(lab: &str) -> String {
    format!("{PREFIX}{lab}")
}

/// The name of a host's namespace; its cgroups carry the same one. Neither name can contain a dot.
pub fn host_namespace(lab: &str, host: &str) -> String {
    format!("{PREFIX}{lab}.{host}")
}

/// Wraps a command so that it runs in a network namespace. Only the network changes: `ip netns exec` would also hide
/// the cgroup mounts.
pub fn enter(namespace: &str, inner: &Command) -> Command {
    let mut outer = Command::new("nsenter");
    outer.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = inner.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// Makes the lab's namespace with its bridge, joined to the machine.
pub fn create(lab: &str, network: Network) -> Result<()> {
    let namespace = namespace(lab);
    let uplink = network.uplink();
    run("ip", ["netns", "add", &namespace])?;
    let inside = |words: &str| run("ip", ["-n", namespace.as_str()].into_iter().chain(words.split(' '))).map(drop);
    inside("link set lo up")?;
    // Without an address of its own the bridge has that of its lowest port, another one whenever hosts come or go, and
    // whoever knows the old one sends into the void for up to 45 s.
    inside(&format!("link add {BRIDGE} address {} type bridge", hardware_address(network.gateway())))?;
    for address in [network.gateway(), network.load_balancer()] {
        inside(&format!("address add {address}/24 dev {BRIDGE}"))?;
    }
    inside(&format!("link set {BRIDGE} up"))?;
    run("ip", ["link", "add", &uplink, "type", "veth", "peer", "name", "machine", "netns", &namespace])?;
    inside(&format!("link set machine master {BRIDGE} up"))?;
    run("ip", ["address", "add", &format!("{}/24", network.machine()), "dev", &uplink])?;
    run("ip", ["link", "set", &uplink, "up"])?;
    Ok(())
}

/// Makes a host's namespace with its only interface, `eth0`.
pub fn attach_host(lab: &str, host: &str, network: Network, address: Ipv4Addr) -> Result<()> {
    let (lab_namespace, namespace) = (namespace(lab), host_namespace(lab, host));
    if namespaces(&namespace)?.contains(&namespace) {
        return Ok(());
    }
    let port = port(address);
    run("ip", ["netns", "add", &namespace])?;
    let inside = |words: &str| run("ip", ["-n", namespace.as_str()].into_iter().chain(words.split(' '))).map(drop);
    let hardware = hardware_address(address);
    inside(&format!("link add eth0 address {hardware} type veth peer name {port} netns {lab_namespace}"))?;
    inside("link set lo up")?;
    inside(&format!("address add {address}/24 dev eth0"))?;
    inside("link set eth0 up")?;
    inside(&format!("route add default via {}", network.gateway()))?;
    run("ip", ["-n", &lab_namespace, "link", "set", &port, "master", BRIDGE, "up"])?;
    Ok(())
}

/// Plugs a host's cable in, or pulls it.
pub fn plug(lab: &str, address: Ipv4Addr, plugged: bool) -> Result<()> {
    let state = if plugged { "up" } else { "down" };
    run("ip", ["-n", &namespace(lab), "link", "set", &port(address), state]).map(drop)
}

/// Removes a host's namespace. Its link goes first: with the namespace it would go some time later, and be in the way of
/// the next one of the same name.
pub fn detach_host(namespace: &str) -> Result<()> {
    if namespaces(namespace)?.contains(namespace) {
        succeeds(&mut command("ip", ["-n", namespace, "link", "delete", "eth0"]))?;
    }
    remove(namespace)
}

/// Lets packets for SSH into a host, or drops them.
pub fn answer_ssh(namespace: &str, answers: bool) -> Result<()> {
    let rule = ["INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP"];
    let with = |verb| enter(namespace, &command("iptables", ["-w", verb].into_iter().chain(rule)));
    let dropped = succeeds(&mut with("-C"))?;
    match (answers, dropped) {
        (true, true) => output_of(&mut with("-D")).map(drop),
        (false, false) => output_of(&mut with("-I")).map(drop),
        _ => Ok(()),
    }
}

/// The bridge's side of a host's link.
fn port(address: Ipv4Addr) -> String {
    format!("host{}", address.octets()[3])
}

/// One hardware address per IP address: when a new host takes over an address, its neighbours need not find out first.
fn hardware_address(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Removes a namespace; its links go with it.
pub fn remove(namespace: &str) -> Result<()> {
    if namespaces(namespace)?.contains(namespace) {
        run("ip", ["netns", "delete", namespace])?;
    }
    Ok(())
}

/// Ends whatever still runs in a namespace.
pub fn kill_members(namespace: &str) -> Result<()> {
    super::wait::until(&format!("nothing runs in `{namespace}`"), std::time::Duration::from_secs(10), || {
        let pids = members(namespace)?;
        processes::signal("KILL", &pids)?;
        Ok(pids.is_empty())
    })
}

/// The processes in a namespace.
pub fn members(namespace: &str) -> Result<BTreeSet<u32>> {
    if !namespaces(namespace)?.contains(namespace) {
        return Ok(BTreeSet::new());
    }
    let pids = output_of(&mut command("ip", ["netns", "pids", namespace]))?;
    Ok(pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// The names of all namespaces that start so.
pub fn namespaces(prefix: &str) -> Result<BTreeSet<String>> {
    let names = match std::fs::read_dir("/run/netns") {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error).context("could not list /run/netns"),
    };
    Ok(names.into_iter().filter(|name: &String| name.starts_with(prefix)).collect())
}

/// The address plans that other labs of this machine use already.
pub fn free_index() -> Result<u8> {
    let links = run("ip", ["-oneline", "link", "show"])?;
    let is_free = |index: &u8| !links.contains(&format!("{}@", Network { index: *index }.uplink()));
    (0..u8::MAX).find(is_free).context("every address range of the lab is taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Network = Network { index: 3 };

    #[test]
    fn hosts_get_the_first_free_address() {
        let taken = [Ipv4Addr::new(10, 77, 3, 11), Ipv4Addr::new(10, 77, 3, 13)].into();
        assert_eq!(NETWORK.free_host(&taken).unwrap(), Ipv4Addr::new(10, 77, 3, 12));
    }

    #[test]
    fn the_lab_keeps_its_own_addresses() {
        for own in [NETWORK.gateway(), NETWORK.load_balancer(), NETWORK.machine(), Ipv4Addr::new(10, 77, 4, 11)] {
            assert!(!NETWORK.is_host(own), "{own}");
        }
        assert!(NETWORK.is_host(Ipv4Addr::new(10, 77, 3, 250)));
    }

    #[test]
    fn a_command_keeps_its_environment_in_a_namespace() {
        let mut inner = Command::new("curl");
        inner.arg("url").env("A", "1").env_remove("B").current_dir("/");
        let outer = enter("kubeone-lab.x", &inner);
        assert_eq!(
            format!("{outer:?}"),
            r#"cd "/" && env -u B A="1" "nsenter" "--net=/run/netns/kubeone-lab.x" "--" "curl" "url""#
        );
    }
}
