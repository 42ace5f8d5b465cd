//! A key of the map points at another machine while the one before still runs: that one leaves in good order and keeps
//! nothing of the cluster, the new one takes its name, and etcd never loses its quorum.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, bail, ensure};

use crate::change::Change;
use crate::kubernetes;

const NODES: [&str; 4] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("machines-exchanged", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    with_spare_hosts(&scenario)?;
    stand_for(&scenario, "")?;
    scenario.apply()?;

    // The one on which the cluster began.
    stand_for(&scenario, "control-plane-1 = \"spare-1\"")?;
    must_plan(
        &mut scenario,
        "control-plane-1: remove replaced control plane (drain, remove etcd member, delete Node, reset host)",
    )?;
    let change = Change::begin(&scenario, "replace a control plane that works")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &["control-plane-2", "control-plane-3", "worker-1"])?;
    scenario.machine("control-plane-1").must_have_no_trace()?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    let (voting, healthy) = (scenario.voting_members()?, scenario.healthy_members()?);
    ensure!(voting == NODES[..3], "the voting members of etcd are {voting:?}");
    ensure!(healthy == ["control-plane-2", "control-plane-3", "spare-1"], "members are well on {healthy:?}");

    stand_for(&scenario, "control-plane-1 = \"spare-1\", worker-1 = \"spare-2\"")?;
    must_plan(&mut scenario, "worker-1: remove replaced worker (drain, delete Node, reset host)")?;
    let change = Change::begin(&scenario, "replace a worker that works")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &["control-plane-2", "control-plane-3", "spare-1"])?;
    scenario.machine("worker-1").must_have_no_trace()?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    scenario.only_cordoned(&[])?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;
    scenario.destroy()?;
    Ok(())
}

/// Two more hosts than the cluster has, and a way to say which host stands behind a name.
fn with_spare_hosts(scenario: &Scenario) -> Result<()> {
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let hosts = "setunion(local.control_planes, local.workers)";
    let host = "local.hosts[name]";
    ensure!(main.contains(hosts) && main.matches(host).count() == 7, "the example has another form now");
    let main = main.replace(hosts, "setunion(local.control_planes, local.workers, [\"spare-1\", \"spare-2\"])");
    scenario.terraform.write("main.tf", &main.replace(host, "local.hosts[try(local.stands_for[name], name)]"))
}

fn stand_for(scenario: &Scenario, hosts: &str) -> Result<()> {
    scenario.terraform.write("spares.tf", &format!("locals {{\n  stands_for = {{ {hosts} }}\n}}\n"))
}

fn must_plan(scenario: &mut Scenario, step: &str) -> Result<()> {
    let Attribute::Known(steps) = scenario.plan()?.attribute("kubeone_cluster.this", "/planned_steps")? else {
        bail!("the plan does not show its steps");
    };
    let found = steps.as_array().is_some_and(|steps| steps.iter().any(|it| it == step));
    ensure!(found, "the plan does not say `{step}`: {steps:#}");
    Ok(())
}
