//! Workers are added and removed by changing a map: an application keeps serving, a disruption budget is respected, and
//! nobody else is touched.

use acceptance_tests::scenario::{Address, Programs, Scenario};
use anyhow::{Result, ensure};

use crate::change::Change;
use crate::kubernetes;

const CONTROL_PLANE: &str = "control-plane-1";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("workers-come-and-go", programs)?;
    scenario.set_names("workers", &["worker-1", "worker-2"]);
    scenario.apply()?;
    let application = scenario.probe_workload()?;

    scenario.set_names("workers", &["worker-1", "worker-2", "worker-3"]);
    let change = Change::begin(&scenario, "add a worker")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[CONTROL_PLANE, "worker-1", "worker-2"])?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-2", "worker-3"])?;

    scenario.set_names("workers", &["worker-1", "worker-3"]);
    let plan = scenario.plan()?;
    let steps = plan.attribute("kubeone_cluster.this", "/planned_steps")?;
    ensure!(
        format!("{steps:?}").contains("worker-2: remove worker (drain, delete Node, reset host)"),
        "the plan shows {steps:?}"
    );
    let change = Change::begin(&scenario, "remove a worker")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[CONTROL_PLANE, "worker-1", "worker-3"])?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-3"])?;

    // Another name: the new machine joins before the old one leaves.
    scenario.set_names("workers", &["worker-1", "worker-4"]);
    let change = Change::begin(&scenario, "replace a worker")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[CONTROL_PLANE, "worker-1"])?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-4"])?;
    let application = application.end()?;
    eprintln!("        {application}");
    application.must_have_no_outage()?;

    // The same name: the lab has but one machine of it, so the old one is gone before anybody knows. Its pods are
    // answered for by the dead until the cluster has given them up.
    scenario.new_machine("worker-1", Address::Other)?;
    let change = Change::begin(&scenario, "replace a lost worker")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[CONTROL_PLANE, "worker-4"])?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-4"])?;

    a_budget_that_allows_nothing_holds_the_node(&mut scenario)?;
    scenario.destroy()?;
    Ok(())
}

/// The drain fails, names the budget, leaves the node schedulable, and goes on when the budget allows it.
fn a_budget_that_allows_nothing_holds_the_node(scenario: &mut Scenario) -> Result<()> {
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let patient = main.replace("  deletion = {", "  drain    = { timeout = \"10s\" }\n  deletion = {");
    scenario.terraform.write("main.tf", &patient)?;
    scenario.kubectl("--namespace workload patch pdb web --type merge --patch '{\"spec\":{\"minAvailable\":2}}'")?;
    scenario.set_names("workers", &["worker-1"]);
    // The machine must not be destroyed before it has left; terraform does so only when the cluster's change succeeds.
    let run = scenario.apply_fails_with("worker-4: remove worker")?;
    let told = run.errors().map(|error| error.detail.clone()).collect::<String>();
    for words in ["workload/web-", "disruption budget", "drain.on_timeout"] {
        ensure!(told.contains(words), "the error does not speak of `{words}`:\n{told}");
    }
    let cordoned = scenario.kubectl("get node worker-4 --output jsonpath={.spec.unschedulable}")?;
    ensure!(cordoned != "true", "worker-4 is still cordoned");

    scenario.kubectl("--namespace workload patch pdb web --type merge --patch '{\"spec\":{\"minAvailable\":1}}'")?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(scenario, &[CONTROL_PLANE, "worker-1"])
}

/// A worker that is removed while its machine stays is as clean as before. Terraform's example destroys machines, so this
/// is looked at where the map of the cluster alone changes.
pub(crate) fn machine_stays(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("worker-leaves-its-machine", programs)?;
    scenario.set_names("workers", &["worker-1", "worker-2"]);
    scenario.apply()?;
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let without = main
        .replace("for name in local.workers : name", "for name in setsubtract(local.workers, [\"worker-2\"]) : name");
    ensure!(main != without, "the example has another form now");
    scenario.terraform.write("main.tf", &without)?;
    scenario.apply()?;
    scenario.machine("worker-2").must_have_no_trace()?;
    scenario.terraform.write("main.tf", &main)?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-2"])?;
    scenario.destroy()?;
    Ok(())
}
