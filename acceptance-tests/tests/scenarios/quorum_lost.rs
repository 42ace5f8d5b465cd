//! Two of three control planes are lost for good. The cluster goes on with the data of the one that is left, and new
//! machines take the places of the others.

use acceptance_tests::scenario::{Address, Programs, Scenario};
use anyhow::{Result, ensure};

use crate::restored::{is_as_at_the_snapshot, settings};

const NODES: [&str; 4] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1"];
const SURVIVOR: &str = NODES[1];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("quorum-lost", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    scenario.kubectl("create configmap before")?;

    for lost in [NODES[0], NODES[2]] {
        scenario.machine(lost).remove()?;
        scenario.new_machine(lost, Address::Other)?;
    }
    // Nobody takes two members out of etcd by mistake, and what helps is named where it is told.
    let refused = scenario.terraform.plan_run(&[])?;
    refused.must_fail_with("2 of 3 control planes would leave at once")?;
    ensure!(refused.diagnostics.iter().any(|it| it.detail.contains("restore = { survivor")), "{refused:#?}");

    settings(&scenario, &format!("restore = {{ survivor = \"{SURVIVOR}\" }}"))?;
    let run = scenario.apply()?;
    eprintln!("        from one survivor to 3 + 1, new machines included: {:.1} s", run.duration.as_secs_f64());
    is_as_at_the_snapshot(&scenario, &NODES)?;
    scenario.destroy()?;
    Ok(())
}
