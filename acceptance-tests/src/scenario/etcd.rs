//! The members of etcd: who votes, and who is well.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Machine, Scenario};
use crate::lab::{host, wait};

/// A member that has just begun has to catch up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Scenario {
    /// Names of all members that have a vote, sorted, well or not.
    pub fn voting_members(&self) -> Result<Vec<String>> {
        let members = self.members()?.into_iter();
        Ok(members.filter_map(|(name, votes)| votes.then_some(name)).collect())
    }

    /// All members by name, and whether they vote. One that never began has no name.
    fn members(&self) -> Result<Vec<(String, bool)>> {
        let answer = self.any_control_plane()?.ask_etcd("cluster/member/list", "{}")?;
        let members = answer["members"].as_array().context("etcd names its members")?;
        let told =
            |member: &Value| (member["name"].as_str().unwrap_or_default().to_owned(), member["isLearner"] != true);
        let mut members: Vec<_> = members.iter().map(told).collect();
        members.sort();
        Ok(members)
    }

    /// Passes when each control plane has a member that votes, nobody else has one, and all of them are well.
    pub fn etcd_is_whole(&self) -> Result<()> {
        let hosts = host::list(self.lab())?.into_iter().map(|host| host.name);
        let control_planes: Vec<_> = hosts.filter(|name| name.starts_with("control-plane")).collect();
        let members = self.members()?;
        let voting = control_planes.iter().map(|name| (name.clone(), true));
        ensure!(voting.eq(members.iter().cloned()), "the members of etcd (and whether they vote) are {members:?}");
        wait::until("all members of etcd are well", PATIENCE, || Ok(self.healthy_members()? == control_planes))
    }
}

impl Machine<'_> {
    /// Asks the member on this host, as `etcdctl` would.
    pub fn ask_etcd(&self, what: &str, question: &str) -> Result<Value> {
        let pki = "/etc/kubernetes/pki/etcd";
        let script = format!(
            "curl --silent --show-error --fail --max-time 10 --cacert {pki}/ca.crt --cert {pki}/server.crt \
             --key {pki}/server.key --data '{question}' https://127.0.0.1:2379/v3/{what}"
        );
        let answer = self.run(&script)?;
        serde_json::from_str(&answer).with_context(|| format!("etcd says of {what}: {answer}"))
    }
}
