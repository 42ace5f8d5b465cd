//! A protected cluster whose only etcd lost its data: nothing can be done with it but to take the protection off and to
//! destroy it, and both work.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Run;
use anyhow::{Result, ensure};

const CLUSTER: &str = "kubeone_cluster.this";
const TARGET: &str = "-target=kubeone_cluster.this";
const NOT_PROTECTED: &str = "{ protection = false }";
const HOSTS: [&str; 2] = ["control-plane-1", "worker-1"];
const PATIENCE: Duration = Duration::from_mins(1);
const SILENT: &str = "the Kubernetes API of `local` does not answer";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("broken-destroyed", programs)?;
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    ensure!(main.contains(NOT_PROTECTED), "the example has another form now");
    scenario.terraform.write("main.tf", &main.replace(NOT_PROTECTED, "{}"))?;
    scenario.apply()?;
    let control_plane = scenario.machine("control-plane-1");
    control_plane.run("mv /etc/kubernetes/manifests/etcd.yaml /root/ && systemctl restart kubelet")?;
    control_plane.wait_until("etcd is gone", PATIENCE, "! pgrep --exact etcd")?;
    control_plane.run("rm -rf /var/lib/etcd/member")?;

    // Nothing can be planned, not even a destroy, and what helps is told.
    for arguments in [&[][..], &["-destroy"]] {
        let run = scenario.terraform.plan_run(arguments)?;
        run.must_fail_with(SILENT)?;
        run.must_fail_with("apply only `deletion = { protection = false }`, then run `terraform destroy`")?;
    }
    scenario.terraform.write("main.tf", &main)?;
    let run = scenario.terraform.apply(&[])?;
    run.must_succeed()?;
    warned(&run)?;
    scenario.terraform.destroy(&[TARGET])?.must_succeed()?;
    scenario.state()?.must_not_have(CLUSTER)?;
    HOSTS.iter().try_for_each(|name| scenario.machine(name).must_have_no_trace())?;
    scenario.destroy()?;
    Ok(())
}

/// The apply that takes the protection off does not hide what is wrong.
fn warned(run: &Run) -> Result<()> {
    let warned = run.diagnostics.iter().any(|it| it.severity == "warning" && it.summary.contains(SILENT));
    ensure!(warned, "nobody was told that the API is silent: {:#?}", run.diagnostics);
    Ok(())
}
