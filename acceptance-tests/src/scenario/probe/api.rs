//! The API as its users reach it: through the load balancer, ten new connections a second.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Probe;
use super::http::{self, Tls};
use crate::scenario::Scenario;

const PACE: Duration = Duration::from_millis(100);
/// Nobody likes to wait for longer.
const LIMIT: Duration = Duration::from_secs(2);

/// Who asks for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A path that needs no credentials: `/version`, `/readyz`, `/livez`. etcd need not be there for the first one.
    Anonymous(&'static str),
    /// Any path, as the cluster's administrator. `/api/v1/namespaces/kube-system` is read from a quorum of etcd.
    Administrator(&'static str),
}

impl Scenario {
    /// Asks the API through the load balancer. An answer is one with status 200 within two seconds, from a server whose
    /// certificate is the cluster's.
    pub fn probe_api(&self, request: Request) -> Result<Probe> {
        let endpoint = SocketAddr::from((self.lab().network()?.load_balancer(), 6443));
        let authority = self.credential("certificate-authority-data")?;
        let (path, tls) = match request {
            Request::Anonymous(path) => (path, Tls::new(&authority, None)?),
            Request::Administrator(path) => {
                let (certificate, key) =
                    (self.credential("client-certificate-data")?, self.credential("client-key-data")?);
                (path, Tls::new(&authority, Some((&certificate, &key)))?)
            }
        };
        Ok(Probe::begin("API", PACE, move || http::get(Some(&tls), endpoint, path, LIMIT)))
    }

    /// A part of the administrator's kubeconfig.
    fn credential(&self, field: &str) -> Result<String> {
        let script = format!("sed -n 's/^ *{field}: //p' /etc/kubernetes/admin.conf");
        let text = STANDARD.decode(self.any_control_plane()?.run(&script)?.trim());
        String::from_utf8(text.with_context(|| format!("admin.conf has no {field}"))?).context("this is no PEM")
    }
}
