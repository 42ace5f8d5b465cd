//! The load balancer of a lab: haproxy in the lab's namespace, in front of the API servers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::artefact::fingerprint;
use super::command::{command, output_of};
use super::{Lab, Upstream, files, network, processes};

/// Where the API answers; this is what `lab load-balancer set` prints. It is what a configuration knows of the lab before
/// there are hosts, so it tells of the package servers, too.
#[derive(Debug, Serialize)]
pub struct Endpoint {
    pub host: Ipv4Addr,
    pub port: u16,
    /// Fingerprints of the keys that stand-ins for the package servers sign with; none where the real ones are reachable.
    pub package_signing_keys: Vec<String>,
}

impl Endpoint {
    fn of(lab: &Lab, port: u16) -> Result<Self> {
        let package_signing_keys = match lab.state()?.upstream {
            Upstream::Reachable => Vec::new(),
            Upstream::StandIns => vec![fingerprint::of_signing_key()?],
        };
        Ok(Self { host: lab.network()?.load_balancer(), port, package_signing_keys })
    }
}

/// Starts the load balancer without back ends. One that runs stays as it is.
pub fn create(lab: &Lab, port: u16) -> Result<Endpoint> {
    if running(lab)?.is_empty() { set(lab, port, &[]) } else { Endpoint::of(lab, port) }
}

/// Ends the load balancer, if it runs.
pub fn destroy(lab: &Lab) -> Result<()> {
    processes::signal("TERM", &running(lab)?)?;
    files::remove(&pid_file(lab))?;
    files::remove(&configuration_file(lab))
}

/// The load balancer's processes: also earlier ones that wait for their last connection to end.
fn running(lab: &Lab) -> Result<BTreeSet<u32>> {
    let mut pids = network::members(&network::namespace(&lab.name))?;
    pids.retain(|pid| processes::name(*pid).is_some_and(|name| name == "haproxy"));
    Ok(pids)
}

/// Starts the load balancer, or gives the one that runs new back ends. Connections of the old one live on.
pub fn set(lab: &Lab, port: u16, backends: &[SocketAddrV4]) -> Result<Endpoint> {
    let _lock = super::lock()?;
    let endpoint = Endpoint::of(lab, port)?;
    files::write(&configuration_file(lab), &configuration(&endpoint, backends))?;
    let pid_file = pid_file(lab);
    let mut haproxy = command("haproxy", ["-D", "-f"]);
    haproxy.arg(configuration_file(lab)).arg("-p").arg(&pid_file);
    if let Ok(before) = files::read(&pid_file) {
        haproxy.arg("-sf").args(before.split_whitespace());
    }
    output_of(&mut network::enter(&network::namespace(&lab.name), &haproxy))?;
    Ok(endpoint)
}

fn configuration(endpoint: &Endpoint, backends: &[SocketAddrV4]) -> String {
    let mut text = format!(
        "\
global
  maxconn 2000
defaults
  mode tcp
  timeout connect 1s
  timeout check 1s
  # Watches are silent for long.
  timeout client 1h
  timeout server 1h
  # Connections to a machine that has lost its power or its network end within seconds.
  option srvtcpka
  srvtcpka-idle 5s
  srvtcpka-intvl 2s
  srvtcpka-cnt 3
  # A server that refuses is left for the next one within the same request.
  retries 5
  option redispatch 1
frontend api
  bind {}:{}
  # When none is ready, as while etcd elects a leader, one that is there answers in a moment. Nobody else would.
  use_backend anybody if {{ nbsrv(control-planes) eq 0 }}
  default_backend control-planes
backend control-planes
  balance roundrobin
  # An API server that is about to stop says so at /readyz before it refuses connections. It gets no new ones then, and
  # ends those it has by itself: cutting them off (on-marked-down) would break requests that it still answers.
  option httpchk GET /readyz
  http-check expect status 200
  default-server check check-ssl verify none inter 500ms fall 2 rise 1 tcp-ut 5s
  # One that is gone without a word is left at the first connection that fails.
  default-server observe layer4 error-limit 1 on-error mark-down
",
        endpoint.host, endpoint.port
    );
    text.push_str(&servers(backends));
    text.push_str("backend anybody\n  balance roundrobin\n  default-server tcp-ut 5s\n");
    text.push_str(&servers(backends));
    text
}

fn servers(backends: &[SocketAddrV4]) -> String {
    backends.iter().enumerate().fold(String::new(), |mut text, (number, backend)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  server control-plane-{} {backend}", number + 1);
        text
    })
}

fn configuration_file(lab: &Lab) -> PathBuf {
    lab.runtime().join("load-balancer.cfg")
}

fn pid_file(lab: &Lab) -> PathBuf {
    lab.runtime().join("load-balancer.pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_back_end_is_a_server_of_its_own() {
        let endpoint = Endpoint { host: Ipv4Addr::new(10, 77, 0, 2), port: 6443, package_signing_keys: Vec::new() };
        let backends = ["10.77.0.11:6443".parse().unwrap(), "10.77.0.12:6443".parse().unwrap()];
        let text = configuration(&endpoint, &backends);
        assert!(text.contains("bind 10.77.0.2:6443\n"));
        let servers = "  server control-plane-1 10.77.0.11:6443\n  server control-plane-2 10.77.0.12:6443\n";
        assert!(text.ends_with(servers) && text.matches(servers).count() == 2, "{text}");
    }
}
