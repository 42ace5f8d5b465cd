//! The API as its users reach it: through the load balancer, ten new connections a second.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;

use super::Probe;
use crate::lab::command::{command, output_of};
use crate::scenario::Scenario;

const PACE: Duration = Duration::from_millis(100);

/// Who asks for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A path that needs no credentials: `/version`, `/readyz`, `/livez`. etcd need not be there for the first one.
    Anonymous(&'static str),
    /// Any path, as the cluster's administrator. `/api/v1/namespaces/kube-system` is read from a quorum of etcd.
    Administrator(&'static str),
}

impl Scenario {
    /// Asks the API through the load balancer. An answer is one with status 200 within two seconds.
    pub fn probe_api(&self, request: Request) -> Result<Probe> {
        let endpoint = self.lab().network()?.load_balancer();
        let (path, credentials) = match request {
            Request::Anonymous(path) => (path, None),
            Request::Administrator(path) => (path, Some(self.administrator()?)),
        };
        let url = format!("https://{endpoint}:6443{path}");
        Ok(Probe::begin("API", PACE, move || ask(&url, credentials.as_ref())))
    }

    /// Certificate and key of the administrator, in a file that goes with the probe.
    fn administrator(&self) -> Result<NamedTempFile> {
        let mut file = NamedTempFile::new().context("could not create a file for credentials")?;
        let machine = self.any_control_plane()?;
        for field in ["client-certificate-data", "client-key-data"] {
            let value = machine.run(&format!("sed -n 's/^ *{field}: //p' /etc/kubernetes/admin.conf"))?;
            let text = STANDARD.decode(value.trim()).with_context(|| format!("admin.conf has no {field}"))?;
            file.write_all(&text).context("could not write credentials")?;
        }
        Ok(file)
    }
}

fn ask(url: &str, credentials: Option<&NamedTempFile>) -> Result<(), String> {
    let mut curl = command("curl", ["--silent", "--insecure", "--max-time", "2", "--output", "/dev/null"]);
    curl.args(["--fail", "--show-error", url]);
    if let Some(file) = credentials {
        curl.arg("--cert").arg(file.path());
    }
    output_of(&mut curl).map(drop).map_err(|error| {
        // Without the command line: the message is to be read in a list.
        let text = error.to_string();
        text.rsplit_once("curl: ").map_or(text.clone(), |(_, message)| message.to_owned())
    })
}
