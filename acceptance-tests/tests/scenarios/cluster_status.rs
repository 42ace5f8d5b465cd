//! The status of a cluster: well, and with each thing that goes wrong told by a `check` block, while plans still work.

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Run;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const FILES: &str = include_str!("configurations/cluster_status.tf");
const STATUS: &str = "data.kubeone_cluster_status.this";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("cluster-status", programs)?;
    scenario.terraform.write("cluster_status.tf", FILES)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.apply()?;
    is_well(&mut scenario)?;

    scenario.machine("worker-1").plug(false)?;
    unwell(&mut scenario, &["worker-1 cannot be reached"])?;
    scenario.machine("worker-1").plug(true)?;

    let member = scenario.machine("control-plane-3");
    member.run("systemctl stop kubelet && mv /etc/kubernetes/manifests/etcd.yaml /root/ && pkill -x etcd")?;
    unwell(
        &mut scenario,
        &[
            "etcd loses its quorum with the next member: 2 of 3 members are healthy",
            "the etcd member on control-plane-3 is not healthy",
        ],
    )?;
    let member = scenario.machine("control-plane-3");
    member.run("mv /root/etcd.yaml /etc/kubernetes/manifests/ && systemctl start kubelet")?;

    for name in ["control-plane-2", "control-plane-3"] {
        scenario.machine(name).kill()?;
    }
    unwell(
        &mut scenario,
        &["control-plane-2 cannot be reached", "control-plane-3 cannot be reached", "etcd has no quorum"],
    )?;
    Ok(())
}

fn is_well(scenario: &mut Scenario) -> Result<()> {
    let warnings = failed_checks(&scenario.terraform.plan_run(&[])?);
    ensure!(warnings.is_empty(), "the check of a new cluster fails: {warnings:?}");
    let state = scenario.state()?;
    let value = |path: &str| -> Result<Value> { Ok(state.value(STATUS, path)?.clone()) };
    ensure!(value("/healthy")? == json!(true) && value("/reasons")? == json!([]), "{}", value("")?);
    let all_true =
        |values: &Value| values.as_object().is_some_and(|it| !it.is_empty() && it.values().all(|it| it == true));
    ensure!(all_true(&value("/conditions")?) && all_true(&value("/addons")?), "{}", value("")?);
    let members = value("/etcd_members")?;
    let members: Vec<_> = members.as_object().into_iter().flat_map(|it| it.values()).collect();
    let leaders = members.iter().filter(|it| it["leader"] == true).count();
    let well =
        members.iter().filter(|it| it["healthy"] == true && it["voter"] == true && it["version"].is_string()).count();
    ensure!((members.len(), leaders, well) == (3, 1, 3), "the members of etcd are {members:?}");
    for name in ["control-plane-1", "control-plane-2", "control-plane-3"] {
        ensure!(value(&format!("/api_servers/{name}/ready"))? == json!(true), "the API server on {name} is not ready");
        let end = value(&format!("/certificates/{name}"))?["/etc/kubernetes/pki/apiserver.crt"].clone();
        ensure!(end.as_str().is_some_and(|end| end.ends_with('Z')), "the certificate of {name} ends at {end}");
    }
    Ok(())
}

/// Looks at the cluster, which must work, and for the reasons in what the check says. Where the cluster is to be repaired, a
/// plan would put the look off until that is done.
fn unwell(scenario: &mut Scenario, reasons: &[&str]) -> Result<()> {
    let run = scenario.terraform.plan_run(&["-refresh-only"])?;
    run.must_succeed()?;
    let said = failed_checks(&run).join("; ");
    eprintln!("        plan in {:.1} s: {said}", run.duration.as_secs_f64());
    for reason in reasons {
        ensure!(said.contains(reason), "the check does not say `{reason}`: {said}");
    }
    Ok(())
}

fn failed_checks(run: &Run) -> Vec<String> {
    let checks = run.diagnostics.iter().filter(|it| it.summary == "Check block assertion failed");
    checks.map(|it| it.detail.clone()).collect()
}
