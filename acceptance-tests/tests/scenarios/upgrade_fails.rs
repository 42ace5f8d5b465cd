//! An upgrade fails on its last node: the state goes on saying what is true, the next plan shows only what is left, and the
//! next apply leaves alone what is done.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Result, bail, ensure};
use serde_json::json;

const CLUSTER: &str = "kubeone_cluster.this";
const FROM: &str = "1.35.4";
const NEXT: &str = "1.35.5";
const DONE: [&str; 2] = ["control-plane-1", "worker-1"];
const LAST: &str = "worker-2";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-fails", programs)?;
    scenario.prepare_kubernetes(&[FROM, NEXT])?;
    scenario.terraform.set_variable("workers", "2");
    scenario.apply()?;

    // A file that something is mounted on cannot be replaced.
    scenario.machine(LAST).run("mount --bind /usr/bin/kubelet /usr/bin/kubelet")?;
    scenario.set_kubernetes_version(NEXT)?;
    let run = scenario.apply_fails_with("worker-2: upgrade worker to Kubernetes 1.35.5")?;
    run.must_fail_with("worker-1: upgrade worker to Kubernetes 1.35.5")?;
    let state = scenario.state()?;
    ensure!(state.value(CLUSTER, "/kubernetes_version")? == FROM, "the state says that the upgrade is done");
    let kubelets = scenario.kubectl("get nodes --output jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'")?;
    ensure!(kubelets == "v1.35.5 v1.35.5 v1.35.4", "the kubelets run {kubelets}");

    let plan = scenario.plan()?;
    let Attribute::Known(steps) = plan.attribute(CLUSTER, "/planned_steps")? else {
        bail!("the plan does not show what is left");
    };
    let left = ["fetch packages and images for Kubernetes 1.35.5", "upgrade worker to Kubernetes 1.35.5"];
    ensure!(steps == json!(left.map(|step| format!("{LAST}: {step}"))), "the plan shows {steps:#}");

    scenario.machine(LAST).run("umount /usr/bin/kubelet")?;
    let before = DONE.map(|name| scenario.machine(name).traces());
    scenario.apply()?;
    for (name, before) in DONE.into_iter().zip(before) {
        scenario.machine(name).must_be_untouched_since(&before?)?;
    }
    let state = scenario.state()?;
    ensure!(state.value(CLUSTER, "/kubernetes_version")? == NEXT, "the state does not say that the upgrade is done");
    let kubelet = state.value(CLUSTER, "/nodes/worker-2/kubelet_version")?;
    ensure!(kubelet == "v1.35.5", "the state says that worker-2 runs {kubelet}");
    scenario.all_hosts_are_ready_nodes()
}
