//! The web server: TLS for all names, files for the package servers, the image registry behind the rest.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{NAMES, StandIns, certificates, registry, web};
use crate::lab::command::command;
use crate::lab::files;

pub(super) const PID_FILE: &str = "nginx.pid";

/// How many of [`NAMES`] serve files; the others are registries.
const WEB_SERVERS: usize = 3;

/// Writes the configuration and answers the command that starts the server and leaves it running.
pub(super) fn server(stand_ins: &StandIns) -> Result<Command> {
    let configuration = stand_ins.folder.join("nginx.conf");
    files::write(&configuration, &configuration_text(stand_ins)?)?;
    let log = stand_ins.folder.join("nginx.log");
    let mut nginx = command("nginx", ["-p".as_ref(), stand_ins.folder.as_os_str()]);
    nginx.arg("-e").arg(log).arg("-c").arg(configuration);
    Ok(nginx)
}

/// Succeeds once both the web server and the registry behind it answer.
pub(super) fn probe(address: Ipv4Addr) -> Result<Command> {
    let name = "registry.k8s.io";
    let mut probe = command("curl", ["--silent", "--fail", "--max-time", "2", "--output", "/dev/null"]);
    probe.arg("--cacert").arg(certificates::ca_certificate()?);
    probe.arg("--resolve").arg(format!("{name}:443:{address}")).arg(format!("https://{name}/v2/"));
    Ok(probe)
}

fn configuration_text(stand_ins: &StandIns) -> Result<String> {
    let certificate = certificates::server_certificate()?;
    let (web_servers, registries) = NAMES.split_at(WEB_SERVERS);
    Ok(CONFIGURATION
        .replace("@FOLDER@", &shown(&stand_ins.folder))
        .replace("@ADDRESS@", &stand_ins.address.to_string())
        .replace("@CERTIFICATE@", &shown(&certificate.certificate))
        .replace("@KEY@", &shown(&certificate.key))
        .replace("@WEB@", &shown(&web()?))
        .replace("@STORAGE@", &shown(&registry::storage()?))
        .replace("@REGISTRY@", registry::INSIDE)
        .replace("@WEB_SERVERS@", &web_servers.join(" "))
        .replace("@REGISTRIES@", &registries.join(" ")))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const CONFIGURATION: &str = include_str!("../../../lab/services/nginx.conf");
