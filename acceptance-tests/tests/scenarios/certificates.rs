//! Certificates that end soon are renewed on the hosts they are on, one control plane at a time, while the API answers.

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance_tests::scenario::{Programs, Request, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Context, Result, ensure};

use crate::change::Change;

const CLUSTER: &str = "kubeone_cluster.this";
const HOSTS: [&str; 3] = ["control-plane-1", "control-plane-2", "control-plane-3"];

pub(crate) fn renewed(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("certificates-renewed", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;

    for host in ["control-plane-1", "control-plane-3"] {
        make_certificates_end_within(&scenario, host, "240h0m0s")?;
    }
    let (before, untouched) = (ends(&scenario)?, containers(&scenario, "control-plane-2")?);
    let plan = scenario.plan()?;
    let Attribute::Known(steps) = plan.attribute(CLUSTER, "/planned_steps")? else {
        anyhow::bail!("the plan does not show its steps");
    };
    let steps = steps.to_string();
    ensure!(steps.contains("control-plane-1: renew certificates (") && !steps.contains("control-plane-2"), "{steps}");

    renews(&mut scenario, "renewal of two of three control planes", &["control-plane-2"])?;

    let after = ends(&scenario)?;
    for (host, moved) in [("control-plane-1", true), ("control-plane-2", false), ("control-plane-3", true)] {
        let (before, after) = (&before[host], &after[host]);
        ensure!((before != after) == moved, "certificates of {host} ended on\n{before}and now end on\n{after}");
    }
    let now = containers(&scenario, "control-plane-2")?;
    ensure!(now == untouched, "containers of control-plane-2 were\n{untouched}and are\n{now}");

    // Any new value of the trigger renews all of them, once.
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let trigger = "  certificates = { renew_trigger = \"audit\" }\n\n  deletion = {";
    scenario.terraform.write("main.tf", &main.replace("  deletion = {", trigger))?;
    renews(&mut scenario, "renewal of three control planes", &[])?;
    let last = ends(&scenario)?;
    ensure!(HOSTS.iter().all(|host| last[*host] != after[*host]), "{after:?} became {last:?}");
    Ok(())
}

/// Applies; etcd keeps its quorum, and the API is away for a moment at most.
fn renews(scenario: &mut Scenario, what: &'static str, stay: &[&str]) -> Result<()> {
    let change = Change::begin_without_probes(scenario, what)?;
    let quorum = scenario.probe_quorum()?;
    let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
    let run = scenario.apply()?;
    let (quorum, api) = (quorum.end()?, api.end()?);
    eprintln!("        {what}: {api}; {quorum}");
    change.end(scenario, &run, stay)?;
    quorum.must_have_no_outage()?;
    api.must_have_no_outage_longer_than(Duration::from_secs(2))
}

/// Renews all certificates of a control plane by hand for a short time.
pub(crate) fn make_certificates_end_within(scenario: &Scenario, host: &str, validity: &str) -> Result<()> {
    let script = format!(
        "config=$(mktemp)
         kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system get configmap kubeadm-config \
           --output jsonpath='{{.data.ClusterConfiguration}}' >$config
         sed -i '/^certificateValidityPeriod/d' $config
         echo 'certificateValidityPeriod: {validity}' >>$config
         kubeadm certs renew all --config $config"
    );
    scenario.machine(host).run(&script).map(drop)
}

/// When the certificates of each control plane end, one line each.
fn ends(scenario: &Scenario) -> Result<BTreeMap<&'static str, String>> {
    let script = r#"
        cd /etc/kubernetes
        for file in pki/apiserver*.crt pki/front-proxy-client.crt pki/etcd/{server,peer,healthcheck-client}.crt; do
          echo "$file $(openssl x509 -in "$file" -noout -enddate)"
        done
        for file in admin.conf controller-manager.conf scheduler.conf; do
          echo "$file $(sed -n 's/.*client-certificate-data: //p' "$file" | base64 -d | openssl x509 -noout -enddate)"
        done"#;
    HOSTS
        .into_iter()
        .map(|host| Ok((host, scenario.machine(host).run(script).context("ends of certificates")?)))
        .collect()
}

/// The running containers of a host and their processes, which change when one is restarted.
fn containers(scenario: &Scenario, host: &str) -> Result<String> {
    scenario.machine(host).run("ctr --namespace k8s.io tasks list | sort")
}
