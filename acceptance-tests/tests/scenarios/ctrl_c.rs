//! Ctrl-C during a create: once, and the current step comes to its end; twice, and nothing on the hosts is cut in half. No
//! more is it when terraform and the provider die at once, as with the machine they run on.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

use crate::interrupted::wait_for_unit;
use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("ctrl-c", programs)?;

    // Once: what has begun comes to its end, and the message says what remains.
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "worker-1", "kubeone-prepare")?;
    apply.interrupt()?;
    let run = apply.wait()?;
    for words in ["Interrupted in stage", "Done already:\n", "were not begun", "The next apply"] {
        run.must_fail_with(words)?;
    }
    scenario.state()?.must_not_have(CLUSTER)?;
    let worker = scenario.machine("worker-1");
    worker.run("dpkg-query --show --showformat '${db:Status-Status}' kubelet | grep --quiet '^installed$'")?;
    ensure!(!worker.succeeds("systemctl --quiet is-active kubeone-prepare")?, "a step was left running");
    ensure!(!worker.succeeds("test -e /etc/kubernetes/kubelet.conf")?, "the next step was begun");

    // Twice: terraform goes at once, kubeadm goes on.
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "control-plane-1", "kubeone-init")?;
    apply.interrupt()?;
    // Two signals at once may become one.
    apply.wait_until_it_says("Interrupt received", PATIENCE)?;
    apply.interrupt()?;
    let run = apply.wait()?;
    ensure!(!run.succeeded, "an apply that was interrupted twice succeeded");
    let first = scenario.machine("control-plane-1");
    ensure!(
        first.succeeds("systemctl --quiet is-active kubeone-init")?,
        "terraform waited for the end of kubeadm init"
    );
    scenario.state()?.must_not_have(CLUSTER)?;
    let first = scenario.machine("control-plane-1");
    first.wait_until("kubeadm init ends", PATIENCE, "! systemctl --quiet is-active kubeone-init")?;
    first.run("test -e /etc/kubernetes/admin.conf && systemctl is-active kubelet")?;
    let kubelet = "sha256sum /var/lib/kubelet/pki/kubelet.crt";
    let before = first.run(kubelet)?;

    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1"])?;
    ensure!(scenario.machine("control-plane-1").run(kubelet)? == before, "the control plane was made anew");

    // Neither of them is asked: both are gone.
    scenario.terraform.set_variable("workers", "2");
    let apply = scenario.apply_in_background()?;
    wait_for_unit(&scenario, "worker-2", "kubeone-join")?;
    apply.kill_all()?;
    ensure!(!apply.wait()?.succeeded, "an apply that was killed succeeded");
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &["control-plane-1", "worker-1", "worker-2"])?;
    kubernetes::pods_reach_each_other(&scenario, 3)?;
    scenario.destroy()?;
    Ok(())
}
