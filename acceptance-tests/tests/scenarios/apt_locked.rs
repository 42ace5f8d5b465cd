//! Another program holds apt's lock: the error names it, and the next apply finishes.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::Result;

use crate::kubernetes;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("apt-locked", programs)?;
    scenario.terraform.apply(&["-target=terraform_data.load_balancer_targets"])?.must_succeed()?;
    let worker = scenario.machine("worker-1");
    // The lock is one of fcntl, so a program of our own must hold it in the same way.
    worker.run(
        "systemd-run --quiet --unit hold-apt-lock perl -MFcntl -e \
         'open(F, \">>\", \"/var/lib/dpkg/lock-frontend\") or die; \
         my $$lock = pack(\"s s x4 q q i x4\", F_WRLCK, 0, 0, 0, 0); \
         fcntl(F, F_SETLK, $$lock) or die; sleep 600'",
    )?;
    worker.wait_until(
        "apt's lock is held",
        Duration::from_secs(10),
        "apt-get --yes install jq 2>&1 | grep --quiet lock",
    )?;
    // The lock is awaited for a quarter of this.
    let hurry = "resource \"kubeone_cluster\" \"this\" {\n  timeouts = { create = \"100s\" }\n}\n";
    scenario.terraform.write("hurry_override.tf", hurry)?;
    let run = scenario.apply_fails_with("worker-1")?;
    run.must_fail_with("lock")?;
    run.must_fail_with("install_packages.sh")?;
    scenario.state()?.must_not_have("kubeone_cluster.this")?;
    scenario.machine("worker-1").run("systemctl stop hold-apt-lock")?;
    scenario.terraform.write("hurry_override.tf", "")?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])
}
