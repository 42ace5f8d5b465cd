//! The audit log comes, follows its policy and goes again while the cluster runs: one API server at a time, and a setting that
//! an API server cannot live with is taken back.

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};
use serde_json::json;

use crate::change::Change;
use crate::kubernetes;
use crate::node_settings::planned_steps;

const CONTROL_PLANES: [&str; 3] = ["control-plane-1", "control-plane-2", "control-plane-3"];
const WORKER: &str = "worker-1";
const LOG: &str = "/var/log/kubernetes/audit/audit.log";
/// Nothing but what is done to ConfigMaps.
const POLICY: &str = r#"policy = <<-EOT
      apiVersion: audit.k8s.io/v1
      kind: Policy
      rules:
      - level: Metadata
        resources: [{ group: "", resources: ["configmaps"] }]
      - level: None
    EOT"#;

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("audit", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;

    with_audit(&scenario, &main, "{}")?;
    let steps = planned_steps(&mut scenario)?;
    let first = steps[0].as_str().unwrap_or_default();
    ensure!(
        steps.as_array().is_some_and(|steps| steps.len() == 3)
            && first.starts_with("control-plane-1: kube-apiserver: ")
            && first.contains("+ audit-log-path=")
            && first.ends_with(", restart"),
        "the plan shows {steps}"
    );
    change(&mut scenario, "the audit log comes")?;
    scenario.kubectl("create namespace audited")?;
    is_logged(&scenario, r#""resource":"namespaces","name":"audited""#, true)?;

    with_audit(&scenario, &main, &format!("{{\n    {POLICY}\n  }}"))?;
    let steps = planned_steps(&mut scenario)?;
    let line =
        |name: &str| format!("{name}: kube-apiserver: change /etc/kubernetes/kubeone-files/audit-policy.yaml, restart");
    ensure!(steps == json!(CONTROL_PLANES.map(line)), "the plan shows {steps}");
    change(&mut scenario, "the audit log follows another policy")?;
    scenario.kubectl("create namespace unaudited")?;
    scenario.kubectl("create configmap audited --namespace unaudited")?;
    is_logged(&scenario, r#""resource":"configmaps","namespace":"unaudited","name":"audited""#, true)?;
    is_logged(&scenario, r#""resource":"namespaces","name":"unaudited""#, false)?;

    scenario.terraform.write("main.tf", &main)?;
    change(&mut scenario, "the audit log goes")?;
    for name in CONTROL_PLANES {
        scenario.machine(name).run(
            "! grep audit /etc/kubernetes/manifests/kube-apiserver.yaml && ! ls /etc/kubernetes/kubeone-files/audit* 2>/dev/null",
        )?;
    }
    kubernetes::nodes_are_ready(&scenario, &[&CONTROL_PLANES[..], &[WORKER]].concat())?;
    scenario.destroy()?;
    Ok(())
}

/// Applies what is planned, while the API is asked, and sees that the worker is left alone.
fn change(scenario: &mut Scenario, what: &'static str) -> Result<()> {
    let change = Change::begin(scenario, what)?;
    let run = scenario.terraform.apply(&[])?;
    run.must_succeed()?;
    change.end(scenario, &run, &[WORKER])?;
    scenario.plan()?.must_be_empty()
}

/// Each API server logs what it served itself.
fn is_logged(scenario: &Scenario, text: &str, expected: bool) -> Result<()> {
    let logs = CONTROL_PLANES.map(|name| scenario.machine(name).run(&format!("cat {LOG}")));
    let found = logs.into_iter().collect::<Result<Vec<_>>>()?.iter().any(|log| log.contains(text));
    ensure!(found == expected, "the audit logs hold `{text}`: {found}");
    Ok(())
}

fn with_audit(scenario: &Scenario, main: &str, audit: &str) -> Result<()> {
    let line = "  # A cluster for trying things out.";
    scenario.terraform.write("main.tf", &main.replace(line, &format!("  audit = {audit}\n\n{line}")))
}
