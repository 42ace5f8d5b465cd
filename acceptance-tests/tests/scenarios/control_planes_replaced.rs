//! New machines take the places of control planes that are dead: of the one on which the cluster began, of one with the same
//! address, and of one that works until the apply that makes the new machine, with which the lab takes the old one away.

use acceptance_tests::scenario::{Address, Programs, Scenario};
use anyhow::Result;

use crate::change::Change;
use crate::control_planes_come_and_go::members_are;
use crate::kubernetes;

const NODES: [&str; 3] = ["control-plane-1", "control-plane-2", "control-plane-3"];
const WORKER: &str = "worker-1";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("control-planes-replaced", programs)?;
    scenario.set_names("control_planes", &NODES);
    scenario.apply()?;

    // Nothing is left of it, neither the machine nor its disk.
    scenario.machine(NODES[0]).kill()?;
    scenario.new_machine(NODES[0], Address::Other)?;
    replaced(
        &mut scenario,
        "replace the dead control plane on which the cluster began",
        &[NODES[1], NODES[2], WORKER],
    )?;

    scenario.machine(NODES[1]).remove()?;
    scenario.new_machine(NODES[1], Address::Same)?;
    replaced(&mut scenario, "replace a dead control plane at the same address", &[NODES[0], NODES[2], WORKER])?;

    scenario.new_machine(NODES[2], Address::Other)?;
    replaced(
        &mut scenario,
        "replace a control plane whose machine goes in the same apply",
        &[NODES[0], NODES[1], WORKER],
    )?;
    kubernetes::pods_reach_each_other(&scenario, 4)?;
    scenario.destroy()?;
    Ok(())
}

fn replaced(scenario: &mut Scenario, what: &'static str, stay: &[&str]) -> Result<()> {
    let change = Change::begin(scenario, what)?;
    let run = scenario.apply()?;
    change.end(scenario, &run, stay)?;
    members_are(scenario, &NODES)
}
