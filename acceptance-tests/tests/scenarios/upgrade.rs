//! A cluster goes to another version of Kubernetes while it is used: nobody is left without an answer, what its user
//! cordoned stays cordoned, and a killed provider is no harm.

use std::time::{Duration, Instant};

use acceptance_tests::scenario::{Programs, Request, Scenario};
use acceptance_tests::terraform::Run;
use anyhow::{Context, Result, ensure};

use crate::change::Change;
use crate::kubernetes;

const FROM: &str = "1.35.4";
const NEXT_PATCH: &str = "1.35.5";
const NEXT_MINOR: &str = "1.36.3";
const PATIENCE: Duration = Duration::from_mins(3);

/// Three control planes and two workers, with somebody who asks the API and an application all the time.
pub(crate) fn minor(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-minor", programs)?;
    scenario.prepare_kubernetes(&[FROM, NEXT_MINOR])?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "2");
    scenario.apply()?;
    scenario.all_hosts_are_ready_nodes()?;

    scenario.set_kubernetes_version(NEXT_MINOR)?;
    let change = Change::begin_without_probes(&scenario, "upgrade of 3 + 2 to the next minor")?;
    let application = scenario.probe_workload()?;
    let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
    let quorum = scenario.probe_quorum()?;
    let run = scenario.terraform.apply(&[])?;
    let (api, quorum, application) = (api.end()?, quorum.end()?, application.end()?);
    run.must_succeed()?;
    change.end(&scenario, &run, &[])?;
    for report in [&api, &quorum, &application] {
        eprintln!("        {report}");
    }
    scenario.plan()?.must_be_empty().context("the plan after the upgrade is not empty")?;
    everything_runs(&scenario, NEXT_MINOR)?;
    scenario.workload_is_whole()?;
    let members = scenario.voting_members()?;
    ensure!(members.len() == 3, "the voting members of etcd are {members:?}");
    kubernetes::pods_reach_each_other(&scenario, 5)?;
    quorum.must_have_no_outage()?;
    application.must_have_no_outage_longer_than(Duration::from_secs(2))?;
    ensure!(api.unanswered * 1000 <= api.asked, "less than 99.9 % of the questions were answered: {api}");
    Ok(())
}

/// A patch release, on the smallest cluster. A worker that its user cordoned stays cordoned.
pub(crate) fn patch(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-patch", programs)?;
    scenario.prepare_kubernetes(&[FROM, NEXT_PATCH])?;
    scenario.terraform.set_variable("workers", "2");
    scenario.apply()?;
    scenario.kubectl("cordon worker-1")?;
    scenario.set_kubernetes_version(NEXT_PATCH)?;
    let change = Change::begin_without_probes(&scenario, "upgrade of 1 + 2 to the next patch release")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[])?;
    everything_runs(&scenario, NEXT_PATCH)?;
    scenario.only_cordoned(&["worker-1"])
}

/// The provider is killed while the static pods of the second control plane are exchanged. They come to their end without
/// it, and the next apply goes on from there.
pub(crate) fn provider_killed(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("upgrade-killed", programs)?;
    scenario.prepare_kubernetes(&[FROM, NEXT_MINOR])?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    scenario.kubectl("cordon worker-1")?;
    scenario.set_kubernetes_version(NEXT_MINOR)?;
    let quorum = scenario.probe_quorum()?;
    let mut apply = scenario.apply_in_background()?;
    let exchange = "[[ -e /etc/kubernetes/kubeone-upgrade/held/kube-apiserver.yaml ]]";
    scenario.machine("control-plane-2").wait_until("an exchange of the API server", PATIENCE, exchange)?;
    ensure!(apply.is_running()?, "the apply ended before it could be disturbed");
    apply.kill_provider()?;
    ensure!(!apply.wait()?.succeeded, "an apply whose provider was killed succeeded");
    let first = scenario.machine("control-plane-1").run("stat --format %Y /etc/kubernetes/manifests/*.yaml")?;
    let began = Instant::now();
    let run: Run = scenario.apply()?;
    eprintln!("        {:.1} s of {:.1} s to finish it", run.duration.as_secs_f64(), began.elapsed().as_secs_f64());
    quorum.end()?.must_have_no_outage()?;
    let now = scenario.machine("control-plane-1").run("stat --format %Y /etc/kubernetes/manifests/*.yaml")?;
    ensure!(first == now, "the first control plane was upgraded again");
    everything_runs(&scenario, NEXT_MINOR)?;
    scenario.only_cordoned(&["worker-1"])
}

/// Every node, every component and kube-proxy have this version.
pub(crate) fn everything_runs(scenario: &Scenario, version: &str) -> Result<()> {
    scenario.all_hosts_are_ready_nodes()?;
    let kubelets = scenario.kubectl("get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'")?;
    let pods = scenario.kubectl(
        "--namespace kube-system get pods -l 'tier=control-plane,component!=etcd' -o jsonpath='{.items[*].spec.containers[*].image}'",
    )?;
    let proxies = scenario.kubectl(
        "--namespace kube-system get pods -l k8s-app=kube-proxy -o jsonpath='{.items[*].spec.containers[*].image}'",
    )?;
    let wanted = format!("v{version}");
    for found in [&kubelets, &pods, &proxies] {
        ensure!(!found.trim().is_empty(), "nothing was found: {kubelets}; {pods}; {proxies}");
        ensure!(found.split_whitespace().all(|it| it.ends_with(&wanted)), "not all of it is {version}: {found}");
    }
    let configuration = scenario
        .kubectl("--namespace kube-system get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}'")?;
    ensure!(
        configuration.contains(&format!("kubernetesVersion: {wanted}")),
        "kubeadm's configuration: {configuration}"
    );
    Ok(())
}
