//! A create that is cut off in the middle: the state stays empty, and the next apply finishes what was begun.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Background;
use anyhow::{Context, Result, ensure};

use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const PATIENCE: Duration = Duration::from_mins(3);

/// The provider is killed while `kubeadm init` runs: kubeadm goes on, and the next apply finds it.
pub(crate) fn provider_killed_during_init(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("killed-during-init", programs)?;
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "control-plane-1", "kubeone-init")?;
    let init = scenario.machine("control-plane-1").run("systemctl show --property MainPID --value kubeone-init")?;
    ensure!(init.trim() != "0", "kubeadm init does not run");
    die(apply)?;
    scenario.state()?.must_not_have(CLUSTER)?;
    let again = scenario.apply()?;
    ensure!(again.trace()?.contains("the lock's holder is dead"), "the dead provider's lock was not noticed");
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])?;
    kubernetes::pods_reach_each_other(&scenario, 2)
}

/// The provider is killed while a second control plane joins.
pub(crate) fn provider_killed_during_join(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("killed-during-join", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "0");
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "control-plane-2", "kubeone-join")?;
    die(apply)?;
    scenario.state()?.must_not_have(CLUSTER)?;
    let first = scenario.machine("control-plane-1").run("cat /var/lib/kubelet/pki/kubelet-client-current.pem")?;
    scenario.apply()?;
    let nodes = ["control-plane-1", "control-plane-2", "control-plane-3"];
    kubernetes::nodes_are_ready(&scenario, &nodes)?;
    let members = scenario.voting_members()?;
    ensure!(members == nodes, "the voting members of etcd are {members:?}");
    let now = scenario.machine("control-plane-1").run("cat /var/lib/kubelet/pki/kubelet-client-current.pem")?;
    ensure!(first == now, "the first control plane was made anew");
    Ok(())
}

/// The network of a host goes away in the middle of its preparation, and comes back.
pub(crate) fn ssh_cut(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("ssh-cut", programs)?;
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "worker-1", "kubeone-prepare")?;
    scenario.machine("worker-1").plug(false)?;
    let run = apply.wait()?;
    run.must_fail_with("worker-1")?;
    scenario.state()?.must_not_have(CLUSTER)?;
    scenario.machine("worker-1").plug(true)?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])
}

pub(crate) fn wait_for_unit(scenario: &Scenario, host: &str, unit: &str) -> Result<()> {
    let script = format!("systemctl --quiet is-active {unit}");
    wait_for_host(scenario, host)?;
    scenario.machine(host).wait_until(&format!("{unit} runs"), PATIENCE, &script)
}

/// The host itself is made by the same apply.
fn wait_for_host(scenario: &Scenario, host: &str) -> Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    while scenario.machine(host).host().is_err() {
        ensure!(std::time::Instant::now() < deadline, "{host} was not made");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The provider dies at once; terraform reports it.
fn die(mut apply: Background) -> Result<()> {
    ensure!(apply.is_running()?, "the apply ended before it could be disturbed");
    apply.kill_provider()?;
    let run = apply.wait()?;
    ensure!(!run.succeeded, "an apply whose provider was killed succeeded");
    run.errors().next().context("terraform says nothing about the death of the provider").map(drop)
}
