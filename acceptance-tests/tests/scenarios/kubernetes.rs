//! What scenarios look at in a running cluster: nodes, pods that reach each other, names, network policies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acceptance_tests::scenario::Scenario;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Long enough for pods on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Passes when exactly these nodes are there and all of them are Ready.
pub(crate) fn nodes_are_ready(scenario: &Scenario, names: &[&str]) -> Result<()> {
    let nodes = scenario.kubectl_json("get nodes")?;
    let items = nodes["items"].as_array().context("a list of nodes has items")?;
    let ready: BTreeMap<_, _> = items
        .iter()
        .map(|node| {
            let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
            (node["metadata"]["name"].as_str().unwrap_or_default(), ready)
        })
        .collect();
    let wanted: BTreeMap<_, _> = names.iter().map(|name| (*name, true)).collect();
    ensure!(ready == wanted, "nodes (and whether they are ready) are {ready:?}");
    Ok(())
}

/// Passes when a pod on each node reaches a pod on each other node, and each of them resolves and reaches a service.
pub(crate) fn pods_reach_each_other(scenario: &Scenario, nodes: usize) -> Result<()> {
    pods_reach_each_other_within(scenario, nodes, 0)
}

/// The same, right after the API was away. CoreDNS and kube-proxy ask the API again after up to 30 s, and CoreDNS remembers
/// for another 30 s that a service did not exist.
pub(crate) fn pods_reach_each_other_after_an_outage(scenario: &Scenario, nodes: usize) -> Result<()> {
    pods_reach_each_other_within(scenario, nodes, 75)
}

fn pods_reach_each_other_within(scenario: &Scenario, nodes: usize, service_seconds: u32) -> Result<()> {
    scenario.kubectl_apply(include_str!("manifests/pods.yaml"))?;
    let seconds = PATIENCE.as_secs();
    let rollout = scenario.kubectl(&format!("--namespace reach rollout status daemonset server --timeout {seconds}s"));
    rollout.with_context(|| evidence(scenario))?;
    let pods = scenario.kubectl_json("--namespace reach get pods --selector app=server")?;
    let items = pods["items"].as_array().context("a list of pods has items")?;
    let pods: Vec<_> = items
        .iter()
        .map(|pod| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&pod["metadata"]["name"]), text(&pod["status"]["podIP"]))
        })
        .collect();
    ensure!(pods.len() == nodes, "{nodes} nodes run {} pods", pods.len());
    for (name, _) in &pods {
        for (other, address) in &pods {
            let answer = in_pod(scenario, name, &format!("get http://{address}:8080 10s"))?;
            ensure!(answer.trim() == *other, "{name} asked {other} at {address} and got `{}`", answer.trim());
        }
        eventually_in_pod(scenario, name, "resolve server.reach.svc.cluster.local 20s", service_seconds)?;
        eventually_in_pod(scenario, name, "get http://server.reach 10s", service_seconds)?;
    }
    Ok(())
}

/// Runs a command in a pod until it succeeds. Each attempt is a connection of its own: one that began before its rule stays
/// without it.
fn eventually_in_pod(scenario: &Scenario, pod: &str, command: &str, seconds: u32) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = in_pod(scenario, pod, command) {
        ensure!(began.elapsed().as_secs() < seconds.into(), "{error:#}");
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Passes when a NetworkPolicy lets its friends in, and nobody else.
pub(crate) fn policies_are_enforced(scenario: &Scenario) -> Result<()> {
    scenario.kubectl_apply(include_str!("manifests/policy.yaml"))?;
    let pods = "pod/guarded pod/friend pod/stranger";
    let seconds = PATIENCE.as_secs();
    let ready = scenario.kubectl(&format!("--namespace reach wait {pods} --for condition=Ready --timeout {seconds}s"));
    ready.with_context(|| evidence(scenario))?;
    let pod = scenario.kubectl_json("--namespace reach get pod guarded")?;
    let address = pod["status"]["podIP"].as_str().context("a pod that runs has an address")?;
    let connect = format!("connect {address}:8080 3s");
    in_pod(scenario, "friend", &connect).context("the policy keeps a friend out")?;
    ensure!(in_pod(scenario, "stranger", &connect).is_err(), "the policy lets a stranger in");
    Ok(())
}

/// What the cluster shows of pods that do not come up.
fn evidence(scenario: &Scenario) -> String {
    let questions = [
        "get nodes --output wide",
        "get pods --all-namespaces --output wide",
        "--namespace reach get events --sort-by .lastTimestamp",
    ];
    let answers = questions.map(|question| scenario.kubectl(question).unwrap_or_else(|error| format!("{error:#}")));
    format!("the cluster shows\n{}", answers.join("\n"))
}

fn in_pod(scenario: &Scenario, pod: &str, command: &str) -> Result<String> {
    scenario.kubectl(&format!("--namespace reach exec {pod} -- labtool {command}"))
}
