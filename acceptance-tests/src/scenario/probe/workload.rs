//! A user's application: two replicas of which one must always be there, asked ten times a second.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Probe, http};
use crate::lab::{Lab, host, wait};
use crate::scenario::Scenario;

const PACE: Duration = Duration::from_millis(100);
const MANIFESTS: &str = include_str!("workload.yaml");
/// For one node; then the next one is asked.
const LIMIT: Duration = Duration::from_millis(500);
/// As the manifests say.
const NODE_PORT: u16 = 30080;

impl Scenario {
    /// Deploys an application with a disruption budget, waits for it and asks it from outside: at the port it has on every
    /// node, the next node where one does not answer, as a load balancer of applications does.
    pub fn probe_workload(&self) -> Result<Probe> {
        self.kubectl_apply(MANIFESTS)?;
        self.kubectl("--namespace workload rollout status deployment web --timeout 120s")?;
        let lab = self.lab().clone();
        // A node takes a moment to let a new service in.
        wait::until("the application answers", Duration::from_secs(30), || Ok(ask(&lab).is_ok()))?;
        Ok(Probe::begin("application", PACE, move || ask(&lab)))
    }

    /// Passes when both replicas run and are ready.
    pub fn workload_is_whole(&self) -> Result<()> {
        let deployment = self.kubectl_json("--namespace workload get deployment web")?;
        let ready = &deployment["status"]["readyReplicas"];
        ensure!(*ready == 2, "{ready} of 2 replicas are ready");
        Ok(())
    }
}

fn ask(lab: &Lab) -> Result<(), String> {
    let mut failures = Vec::new();
    for host in host::list(lab).map_err(|error| format!("{error:#}"))? {
        match http::get(None, SocketAddr::from((host.address, NODE_PORT)), "/", LIMIT) {
            Ok(()) => return Ok(()),
            Err(failure) => failures.push(format!("{}: {failure}", host.name)),
        }
    }
    Err(failures.join(", "))
}
