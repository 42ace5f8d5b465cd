//! What the cluster says about itself, past SSH and past the provider.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Machine, Scenario};
use crate::lab::host;

/// Longer than anything kubectl is asked to wait for.
const LIMIT: Duration = Duration::from_mins(3);

impl Scenario {
    /// Runs kubectl as the cluster's administrator, on any control plane that runs.
    pub fn kubectl(&self, arguments: &str) -> Result<String> {
        let seconds = LIMIT.as_secs();
        let script = format!("timeout {seconds} kubectl --kubeconfig /etc/kubernetes/admin.conf {arguments}");
        self.any_control_plane()?.run(&script)
    }

    /// What kubectl prints as JSON.
    pub fn kubectl_json(&self, arguments: &str) -> Result<Value> {
        let text = self.kubectl(&format!("{arguments} --output json"))?;
        serde_json::from_str(&text).with_context(|| format!("`kubectl {arguments}` printed no JSON"))
    }

    /// Applies manifests.
    pub fn kubectl_apply(&self, manifests: &str) -> Result<()> {
        self.kubectl(&format!("apply --filename - <<'MANIFESTS'\n{manifests}\nMANIFESTS")).map(drop)
    }

    /// Passes when every host of the lab is a node, nothing else is, and all of them are Ready.
    pub fn all_hosts_are_ready_nodes(&self) -> Result<()> {
        let hosts: BTreeSet<String> = host::list(self.lab())?.into_iter().map(|host| host.name).collect();
        let nodes = self.kubectl("get nodes --no-headers --output custom-columns=:.metadata.name")?;
        let nodes: BTreeSet<String> = nodes.split_whitespace().map(str::to_owned).collect();
        ensure!(nodes == hosts, "the hosts are {hosts:?}, the nodes {nodes:?}");
        self.kubectl("wait nodes --all --for condition=Ready --timeout 60s").map(drop)
    }

    /// Passes when these nodes are cordoned, and no others.
    pub fn only_cordoned(&self, names: &[&str]) -> Result<()> {
        let found = self.kubectl("get nodes -o jsonpath='{.items[?(@.spec.unschedulable)].metadata.name}'")?;
        ensure!(found.split_whitespace().collect::<Vec<_>>() == names, "cordoned are: {found}");
        Ok(())
    }

    /// The first control plane that runs.
    pub fn any_control_plane(&self) -> Result<Machine<'_>> {
        for host in host::list(self.lab())? {
            let machine = self.machine(&host.name);
            if machine.succeeds("test -e /etc/kubernetes/admin.conf")? {
                return Ok(machine);
            }
        }
        anyhow::bail!("no host with a control plane runs")
    }
}
