//! One control plane and one worker: created, looked at, found unchanged, removed, and created again on the same hosts.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, ensure};

use crate::{kubernetes, progress_files};

const CLUSTER: &str = "kubeone_cluster.this";
const NODES: [&str; 2] = ["control-plane-1", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("one-and-one", programs)?;
    let progress = scenario.terraform.folder().join("progress");
    scenario.terraform.set_environment("KUBEONE_PROGRESS", &progress);

    // Nobody knows an address yet, and still the plan says what will be done to whom.
    let plan = scenario.plan()?;
    let address = plan.attribute(CLUSTER, "/control_plane/control-plane-1/address")?;
    ensure!(address == Attribute::Unknown, "the address of a host that does not exist is {address:?}");
    let Attribute::Known(steps) = plan.attribute(CLUSTER, "/planned_steps")? else {
        anyhow::bail!("the first plan does not show its steps");
    };
    for words in ["control-plane-1: initialize control plane", "worker-1: join worker", "apply addon canal"] {
        ensure!(steps.to_string().contains(words), "the plan does not say `{words}`: {steps}");
    }

    scenario.apply()?;
    progress_files::tell_of(&progress, "create")?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;
    kubernetes::policies_are_enforced(&scenario)?;

    // A plan looks once at each host and changes nothing.
    let before = logins(&scenario)?;
    scenario.plan()?.must_be_empty()?;
    let after = logins(&scenario)?;
    ensure!(after.iter().zip(&before).all(|(after, before)| after - before <= 1), "{before:?} logins became {after:?}");

    scenario.terraform.destroy(&["-target=kubeone_cluster.this"])?.must_succeed()?;
    progress_files::tell_of(&progress, "delete")?;
    for host in NODES {
        scenario.machine(host).must_have_no_trace()?;
    }
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    scenario.destroy()?;
    Ok(())
}

fn logins(scenario: &Scenario) -> Result<Vec<usize>> {
    NODES.iter().map(|host| scenario.machine(host).ssh_logins()).collect()
}
