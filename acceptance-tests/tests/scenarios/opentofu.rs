//! OpenTofu does what Terraform does: creates a cluster, finds nothing to change, destroys it.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::build_opentofu;
use anyhow::Result;

use crate::kubernetes;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("opentofu", programs)?;
    scenario.terraform.set_program(build_opentofu()?);
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])?;
    scenario.destroy()?;
    Ok(())
}
