//! One control plane becomes three, the one on which the cluster began leaves, three become one: etcd keeps its quorum all
//! the way, and the API its users.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

use crate::change::Change;
use crate::kubernetes;

const FIRST: &str = "control-plane-1";
const WORKER: &str = "worker-1";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("control-planes-come-and-go", programs)?;
    scenario.set_names("control_planes", &[FIRST]);
    scenario.apply()?;

    scenario.set_names("control_planes", &[FIRST, "control-plane-2", "control-plane-3"]);
    let change = Change::begin(&scenario, "add two control planes")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[FIRST, WORKER])?;
    members_are(&scenario, &[FIRST, "control-plane-2", "control-plane-3"])?;

    scenario.set_names("control_planes", &["control-plane-2", "control-plane-3", "control-plane-4"]);
    let change = Change::begin(&scenario, "exchange the first control plane for a fourth")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &["control-plane-2", "control-plane-3", WORKER])?;
    members_are(&scenario, &["control-plane-2", "control-plane-3", "control-plane-4"])?;

    scenario.set_names("control_planes", &["control-plane-3"]);
    scenario.apply_fails_with("2 of 3 control planes would leave at once")?;
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let rolling = main.replace("  deletion = {", "  roll_control_plane = true\n  deletion = {");
    scenario.terraform.write("main.tf", &rolling)?;
    let change = Change::begin(&scenario, "remove two of three control planes")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &["control-plane-3", WORKER])?;
    members_are(&scenario, &["control-plane-3"])?;
    kubernetes::pods_reach_each_other(&scenario, 2)?;
    scenario.destroy()?;
    Ok(())
}

pub(crate) fn members_are(scenario: &Scenario, names: &[&str]) -> Result<()> {
    let mut members = scenario.healthy_members()?;
    members.sort();
    ensure!(members == names, "the members of etcd that vote are {members:?}");
    scenario.all_hosts_are_ready_nodes()
}
