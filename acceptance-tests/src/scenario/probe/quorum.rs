//! etcd as its members see it: whether any of them can read through a quorum.

use std::time::Duration;

use anyhow::Result;

use super::Probe;
use crate::lab::command::{command, succeeds};
use crate::lab::{Lab, host, network};
use crate::scenario::Scenario;

const PACE: Duration = Duration::from_millis(500);

/// Where kubeadm lets members tell their health; the answer takes a read that a majority agrees to.
const HEALTH: &str = "http://127.0.0.1:2381/health";

impl Scenario {
    /// Asks the members themselves twice a second. An answer is one member that has a quorum; the sum of outages is the
    /// time without.
    pub fn probe_quorum(&self) -> Probe {
        let lab = self.lab().clone();
        Probe::begin("etcd's quorum", PACE, move || match any_healthy(&lab) {
            Ok(true) => Ok(()),
            Ok(false) => Err("no member is healthy".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        })
    }

    /// The hosts whose member of etcd has a quorum now.
    pub fn healthy_members(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> = host::list(self.lab())?.into_iter().map(|host| host.name).collect();
        names.retain(|name| is_healthy(self.lab(), name));
        Ok(names)
    }
}

fn any_healthy(lab: &Lab) -> Result<bool> {
    Ok(host::list(lab)?.iter().any(|host| is_healthy(lab, &host.name)))
}

/// On a host that is off, has no member or is being removed nobody answers.
fn is_healthy(lab: &Lab, name: &str) -> bool {
    let ask = command("curl", ["--silent", "--fail", "--max-time", "2", "--output", "/dev/null", HEALTH]);
    succeeds(&mut network::enter(&network::host_namespace(&lab.name, name), &ask)).unwrap_or(false)
}
