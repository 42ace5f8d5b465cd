//! Two of three control planes cannot be replaced at once: the plan is refused, whether their machines are new or their names.
//! Told to, the new ones come and the old ones leave one after the other, and etcd never loses its quorum.

use acceptance_tests::scenario::{Address, Programs, Scenario};
use anyhow::{Result, ensure};

use crate::change::Change;
use crate::control_planes_come_and_go::members_are;

const NODES: [&str; 3] = ["control-plane-1", "control-plane-2", "control-plane-3"];
const AFTER: [&str; 3] = ["control-plane-3", "control-plane-4", "control-plane-5"];
const REFUSAL: &str = "2 of 3 control planes would leave at once";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("quorum-guarded", programs)?;
    scenario.set_names("control_planes", &NODES);
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;

    let before = NODES.map(|name| scenario.machine(name).traces());
    for name in &NODES[..2] {
        scenario.new_machine(name, Address::Other)?;
    }
    let run = scenario.terraform.plan_run(&[])?;
    run.must_fail_with(REFUSAL)?;
    run.must_fail_with("roll_control_plane = true")?;
    // Terraform does nothing after a plan that fails, neither to the cluster nor to the machines.
    scenario.apply_fails_with(REFUSAL)?;
    scenario.terraform.set_variable("machines", "{}");
    scenario.plan()?.must_be_empty()?;
    scenario.set_names("control_planes", &AFTER);
    scenario.apply_fails_with(REFUSAL)?;
    for (name, before) in NODES.into_iter().zip(before) {
        scenario.machine(name).must_be_untouched_since(&before?)?;
    }

    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let rolling = main.replace("  deletion = {", "  roll_control_plane = true\n  deletion = {");
    ensure!(rolling != main, "the example has another form now");
    scenario.terraform.write("main.tf", &rolling)?;
    let change = Change::begin(&scenario, "replace two of three control planes, one after the other")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[AFTER[0]])?;
    members_are(&scenario, &AFTER)
}
