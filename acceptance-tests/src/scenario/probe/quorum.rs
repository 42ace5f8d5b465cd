//! etcd as its members see it: whether any of them can read through a quorum.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Probe;
use super::http::{self, Tls};
use crate::lab::{Host, Lab, host};
use crate::scenario::Scenario;

const PACE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(1);

impl Scenario {
    /// Asks the members themselves twice a second. An answer is one member that has a quorum; the sum of outages is the
    /// time without.
    pub fn probe_quorum(&self) -> Result<Probe> {
        let (lab, tls) = (self.lab().clone(), self.client_of_etcd()?);
        Ok(Probe::begin("etcd's quorum", PACE, move || match healthy(&lab, &tls) {
            Ok(members) if members.is_empty() => Err("no member is healthy".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        }))
    }

    /// The hosts whose member of etcd has a quorum now.
    pub fn healthy_members(&self) -> Result<Vec<String>> {
        healthy(self.lab(), &self.client_of_etcd()?)
    }

    /// Whoever the API servers are to etcd.
    fn client_of_etcd(&self) -> Result<Tls> {
        let machine = self.any_control_plane()?;
        let file = |name: &str| machine.run(&format!("cat /etc/kubernetes/pki/{name}"));
        let (certificate, key) = (file("apiserver-etcd-client.crt")?, file("apiserver-etcd-client.key")?);
        Tls::new(&file("etcd/ca.crt")?, Some((&certificate, &key))).context("the credentials for etcd do not fit")
    }
}

/// All are asked side by side: one that is off would hold up the others. Nobody answers on a host without a member.
fn healthy(lab: &Lab, tls: &Tls) -> Result<Vec<String>> {
    let hosts = host::list(lab)?;
    // The answer takes a read that a majority agrees to.
    let ask = |host: &Host| http::get(Some(tls), SocketAddr::from((host.address, 2379)), "/health", LIMIT).is_ok();
    Ok(std::thread::scope(|scope| {
        let answers: Vec<_> = hosts.iter().map(|host| (host, scope.spawn(|| ask(host)))).collect();
        let healthy = answers.into_iter().filter_map(|(host, answer)| answer.join().ok()?.then(|| host.name.clone()));
        healthy.collect()
    }))
}
