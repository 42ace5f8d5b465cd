//! A kubeconfig for one run of Terraform: clients work with it, it is stored nowhere, and it is refused when it has ended.
//! And one in the state, for those who ask for it.

use std::time::{Duration, Instant};

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::{Run, build_opentofu};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::kubernetes;

const FILES: &str = include_str!("configurations/kubeconfig.tf");
const CLUSTER: &str = "kubeone_cluster.this";
const NODES: [&str; 2] = ["control-plane-1", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("kubeconfig", programs)?;
    scenario.terraform.write("kubeconfig.tf", FILES)?;

    // The cluster does not exist when the plan is made, and still one apply does both.
    let run = scenario.apply()?;
    let minted = Instant::now();
    let kubeconfig = handed_out(&scenario)?;
    ensure!(kubectl(&scenario, &kubeconfig, "get nodes --output name")? == "node/control-plane-1\nnode/worker-1\n");
    let who: Value = serde_json::from_str(&kubectl(&scenario, &kubeconfig, "auth whoami --output json")?)?;
    ensure!(who["status"]["userInfo"]["username"] == "scenario", "the API takes the client for {who}");
    nothing_is_left(&mut scenario, &kubeconfig, &run)?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;

    // Another run gets another one, from a cluster that it only looks at.
    scenario.terraform.set_variable("run", "2");
    let run = scenario.apply()?;
    let second = handed_out(&scenario)?;
    ensure!(second != kubeconfig, "two runs got the same kubeconfig");
    nothing_is_left(&mut scenario, &second, &run)?;

    scenario.machine("worker-1").wait_until(
        "the first kubeconfig is refused",
        Duration::from_mins(2),
        &with_file(&kubeconfig, "get nodes 2>&1 | grep --quiet --extended-regexp 'Unauthorized|must be logged in'"),
    )?;
    eprintln!("        refused {:.0} s after it was made", minted.elapsed().as_secs_f64());

    one_in_the_state(&mut scenario)?;

    scenario.terraform.set_program(build_opentofu()?);
    scenario.terraform.set_variable("run", "3");
    scenario.apply().context("with OpenTofu")?;
    let third = handed_out(&scenario)?;
    ensure!(third != second, "OpenTofu got the kubeconfig of an earlier run");
    kubectl(&scenario, &third, "get nodes")?;
    scenario.destroy()?;
    Ok(())
}

/// It appears when it is asked for, is renewed before it ends, and disappears when it is wanted no more.
fn one_in_the_state(scenario: &mut Scenario) -> Result<()> {
    let keep = |ttl: &str| {
        format!(
            "resource \"kubeone_cluster\" \"this\" {{\n  kubeconfig = {{ store_in_state = true, ttl = \"{ttl}\" }}\n}}\n"
        )
    };
    let update = [(CLUSTER, "update")];
    let in_state =
        |scenario: &mut Scenario| -> Result<Value> { Ok(scenario.state()?.value(CLUSTER, "/kubeconfig_raw")?.clone()) };
    ensure!(in_state(scenario)?.is_null(), "the state has a kubeconfig that nobody asked for");
    scenario.terraform.write("keep_override.tf", &keep("3m"))?;
    scenario.plan()?.must_do(&update)?;
    scenario.apply()?;
    let first = in_state(scenario)?;
    let text = first.as_str().context("the state has no kubeconfig")?;
    kubectl(scenario, text, "get nodes")?;

    // Two thirds of its life.
    std::thread::sleep(Duration::from_secs(121));
    scenario.plan()?.must_do(&update).context("in the last third of its life")?;
    scenario.apply()?;
    ensure!(in_state(scenario)? != first, "the kubeconfig in the state was not renewed");

    scenario.terraform.write("keep_override.tf", "")?;
    scenario.plan()?.must_do(&update)?;
    scenario.apply()?;
    ensure!(in_state(scenario)?.is_null(), "the state still has a kubeconfig");
    Ok(())
}

/// The kubeconfig that the client inside of the run was given, when it was of use there.
fn handed_out(scenario: &Scenario) -> Result<String> {
    let read = |file: &str| {
        std::fs::read_to_string(scenario.terraform.folder().join(file)).with_context(|| format!("there is no {file}"))
    };
    let nodes: Value = serde_json::from_str(&read("nodes.json")?)?;
    let names = nodes["items"].as_array().context("a list of nodes has items")?.iter();
    let names: Vec<_> = names.filter_map(|node| node["metadata"]["name"].as_str()).collect();
    ensure!(names == NODES, "the client in the run saw the nodes {names:?}");
    ensure!(read("expires-at")?.ends_with('Z'), "the end is {}", read("expires-at")?);
    read("kubeconfig.yaml")
}

/// Runs a real kubectl on a host that has no kubeconfig of its own.
fn kubectl(scenario: &Scenario, kubeconfig: &str, arguments: &str) -> Result<String> {
    scenario.machine("worker-1").run(&with_file(kubeconfig, arguments))
}

fn with_file(kubeconfig: &str, arguments: &str) -> String {
    let kubectl = format!("timeout 60 kubectl --kubeconfig <(cat <<'KUBECONFIG'\n{}\nKUBECONFIG\n)", kubeconfig.trim());
    format!("{kubectl} {arguments}")
}

/// Looks for the key in the state, the plan, the logs, and on the host that made it.
fn nothing_is_left(scenario: &mut Scenario, kubeconfig: &str, run: &Run) -> Result<()> {
    let key = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("client-key-data: "));
    let key = key.context("a kubeconfig has a key")?;
    ensure!(key.len() > 100, "`{key}` is no key");
    let pem = kubeconfig_key_line(scenario, key)?;
    let plan = scenario.terraform.plan_text(&[])?;
    let state = scenario.terraform.state_text()?;
    for (place, text) in [("state", state), ("plan", plan), ("log", run.trace()?)] {
        ensure!(!text.contains(key) && !text.contains(&pem), "the key of the kubeconfig is in the {place}");
    }
    let found = scenario.machine("control-plane-1").run(&format!(
        "grep --recursive --files-with-matches --fixed-strings --regexp '{pem}' --regexp '{key}' \
         /etc /root /home /tmp /run /var/tmp /var/log 2>/dev/null || true"
    ))?;
    ensure!(found.is_empty(), "the key of the kubeconfig is on the host that made it: {found}");
    Ok(())
}

/// The second line of the key's PEM: the first is the same in all keys.
fn kubeconfig_key_line(scenario: &Scenario, key: &str) -> Result<String> {
    let line = scenario.machine("worker-1").run(&format!("base64 --decode <<<'{key}' | sed -n 2p"))?.trim().to_owned();
    ensure!(line.len() > 40, "`{line}` is no line of a key");
    Ok(line)
}
