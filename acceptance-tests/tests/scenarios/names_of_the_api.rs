//! The API gets another name: its servers answer under it, one after the other gets a certificate for it, and control planes
//! that join later have one from the beginning.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Request, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, ensure};

const NAME: &str = "api.example.com";
const SETTINGS: &str = "{ host = local.api.host, port = local.api.port }";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("names-of-the-api", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;
    ensure!(!answers_as(&scenario, "control-plane-1")?, "an API server answers as {NAME}, and nobody asked for that");
    let etcd = etcd_started(&scenario)?;

    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let named = "{ host = local.api.host, port = local.api.port, alternative_names = [\"api.example.com\"] }";
    ensure!(main.contains(SETTINGS), "the example has another endpoint");
    scenario.terraform.write("main.tf", &main.replace(SETTINGS, named))?;
    let plan = scenario.plan()?;
    let Attribute::Known(steps) = plan.attribute("kubeone_cluster.this", "/planned_steps")? else {
        anyhow::bail!("the plan does not show its steps");
    };
    let steps = steps.to_string();
    let words = "control-plane-2: renew certificates (new API server names api.example.com)";
    ensure!(steps.contains(words), "{steps}");

    let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
    let run = scenario.apply()?;
    let api = api.end()?;
    eprintln!("        three API servers get a name: {:.1} s; {api}", run.duration.as_secs_f64());
    api.must_have_no_outage_longer_than(Duration::from_secs(2))?;
    for host in ["control-plane-1", "control-plane-2", "control-plane-3"] {
        ensure!(answers_as(&scenario, host)?, "the API server on {host} has no certificate for {NAME}");
    }
    ensure!(etcd_started(&scenario)? == etcd, "members of etcd were restarted");

    scenario.terraform.set_variable("control_planes", "5");
    scenario.apply()?;
    for host in ["control-plane-4", "control-plane-5"] {
        ensure!(answers_as(&scenario, host)?, "the API server on {host} joined without the name {NAME}");
    }
    scenario.all_hosts_are_ready_nodes()
}

/// Whether the API server on this host has a certificate for the name.
fn answers_as(scenario: &Scenario, host: &str) -> Result<bool> {
    scenario.machine(host).succeeds(&format!(
        "curl --silent --fail --max-time 10 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
         --resolve {NAME}:6443:127.0.0.1 https://{NAME}:6443/livez"
    ))
}

/// Since when etcd runs on the first control plane.
fn etcd_started(scenario: &Scenario) -> Result<String> {
    scenario.machine("control-plane-1").run("stat --format %Y /proc/$(pgrep --exact etcd)")
}
