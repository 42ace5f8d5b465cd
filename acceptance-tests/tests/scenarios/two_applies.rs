//! Two applies on one cluster, each with a state of its own: the second waits for the first or says who that is, and
//! nobody waits for long for one that died.

use std::path::Path;
use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Terraform;
use anyhow::{Result, ensure};

use crate::interrupted::wait_for_unit;
use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const LOCK: &str = "/run/kubeone.lock";

/// What a dying holder elsewhere leaves: it was renewed for the last time 40 s ago, of the 60 s that a lock lives.
const LEFT_BY_THE_DEAD: &str = r#"
    read -r now _ </proc/uptime
    printf '%s\n' "carol's id" "another boot" "carol on elsewhere (process 1, update)" "$((${now%.*} - 300))" \
      "$((${now%.*} - 40))" >/run/kubeone.lock
"#;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("two-applies", programs)?;
    let first = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "worker-1", "kubeone-prepare")?;

    let mut other = somebody_else(&scenario, programs)?;
    other.set_variable("patience", "3s");
    let refused = other.apply(&[])?;
    for words in ["works on this cluster", ", create)", "nothing was changed"] {
        refused.must_fail_with(words)?;
    }
    other.state()?.must_not_have(CLUSTER)?;

    other.set_variable("patience", "10m");
    let waiting = other.apply_in_background(&[])?;
    first.wait()?.must_succeed()?;
    let waited = waiting.wait()?;
    waited.must_succeed()?;
    ensure!(waited.trace()?.contains("waiting for the lock of the cluster"), "the second apply did not wait");
    scenario.plan()?.must_be_empty()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])?;
    ensure!(!scenario.machine("control-plane-1").succeeds(&format!("test -e {LOCK}"))?, "{LOCK} was left");

    scenario.machine("control-plane-1").run(LEFT_BY_THE_DEAD)?;
    let run = scenario.terraform.destroy(&[&format!("-target={CLUSTER}")])?;
    run.must_succeed()?;
    ensure!(run.trace()?.contains("carol on elsewhere"), "nobody waited for the dead holder");
    ensure!(run.duration > Duration::from_secs(15), "the lock of a silent holder was taken before its time");
    ensure!(!scenario.machine("control-plane-1").succeeds(&format!("test -e {LOCK}"))?, "{LOCK} was left");
    scenario.destroy()?;
    Ok(())
}

/// Another Terraform that wants the same cluster on the same hosts.
fn somebody_else(scenario: &Scenario, programs: &Programs) -> Result<Terraform> {
    let configuration = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/same_cluster"));
    let folder = scenario.terraform.folder();
    let mut other = Terraform::new(configuration, &folder.join("somebody-else"), &programs.provider)?;
    other.set_environment("TF_VAR_first", folder);
    other.set_environment("TF_VAR_ssh_key_file", scenario.ssh_key());
    Ok(other)
}
