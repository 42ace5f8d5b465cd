//! Plans in which one thing is known and another is not: an address, and which workers there are at all. What the plan
//! promises comes true, and nobody has to apply in parts.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, ensure};

use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const CONTROL_PLANE: &str = "control-plane-1";

/// The names of the workers, known only when this resource is there.
const NAMES: &str = r#"
resource "terraform_data" "names" {
  triggers_replace = var.workers
  input            = [for i in range(var.workers) : "worker-${i + 1}"]
}
"#;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("partly-unknown", programs)?;
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    scenario.terraform.apply(&[&format!("-target=terraform_data.host[\"{CONTROL_PLANE}\"]")])?.must_succeed()?;

    // One address is known, the other is not. What is done to whom follows from the names.
    let plan = scenario.plan()?;
    let address = |map: &str, name: &str| plan.attribute(CLUSTER, &format!("/{map}/{name}/address"));
    let known = address("control_plane", CONTROL_PLANE)?;
    ensure!(matches!(known, Attribute::Known(_)), "the address of a host that exists is {known:?}");
    ensure!(address("static_workers", "worker-1")? == Attribute::Unknown, "that of a host to come is known");
    let steps = plan.attribute(CLUSTER, "/planned_steps")?;
    ensure!(format!("{steps:?}").contains("worker-1: join worker"), "the plan shows {steps:?}");

    // Nor is it known which workers there will be.
    let dynamic =
        main.replace("for name in local.workers : name => {", "for name in terraform_data.names.output : name => {");
    ensure!(dynamic != main, "the example has another form now");
    scenario.terraform.write("main.tf", &dynamic)?;
    scenario.terraform.write("names.tf", NAMES)?;
    let plan = scenario.plan()?;
    for path in ["/static_workers", "/planned_steps"] {
        let attribute = plan.attribute(CLUSTER, path)?;
        ensure!(attribute == Attribute::Unknown, "{path} is {attribute:?} where the workers are not known");
    }
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1"])?;

    // The same with a cluster that is there: nothing of what it has is promised anew.
    scenario.terraform.set_variable("workers", "2");
    let plan = scenario.plan()?;
    for path in ["/static_workers", "/planned_steps"] {
        let attribute = plan.attribute(CLUSTER, path)?;
        ensure!(attribute == Attribute::Unknown, "{path} is {attribute:?} where the workers are not known");
    }
    for path in ["/id", "/endpoint", "/ca_certificate"] {
        let attribute = plan.attribute(CLUSTER, path)?;
        ensure!(matches!(attribute, Attribute::Known(_)), "{path} is {attribute:?} although it cannot change");
    }
    let before = scenario.machine(CONTROL_PLANE).traces()?;
    scenario.apply()?;
    scenario.machine(CONTROL_PLANE).must_be_untouched_since(&before)?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, "worker-1", "worker-2"])?;
    scenario.destroy()?;
    Ok(())
}
