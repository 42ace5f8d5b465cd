//! Labels, taints, annotations and kubelet settings of one host change in place: on its node alone, without a trace on any
//! other. What somebody takes away comes back, what somebody adds stays, and settings that a kubelet cannot live with are
//! taken back.

use std::time::Instant;

use acceptance_tests::scenario::{Machine, Programs, Scenario};
use acceptance_tests::terraform::{Attribute, Run};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const CONTROL_PLANE: &str = "control-plane-1";
const WORKER: &str = "worker-1";
const OTHER: &str = "worker-2";
const VERSION: &str = "1.35.4";
const NEXT: &str = "1.35.5";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("node-settings", programs)?;
    scenario.prepare_kubernetes(&[VERSION, NEXT])?;
    scenario.terraform.set_variable("workers", "2");

    // A node has its settings from the start.
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let first = r#"labels = { pool = "special", zone = "a" }, kubelet = { max_pods = 60 }"#;
    set_of_worker(&scenario, &main, first)?;
    scenario.apply()?;
    kubernetes::nodes_are_ready(&scenario, &[CONTROL_PLANE, WORKER, OTHER])?;
    is(&scenario, WORKER, "/metadata/labels/pool", &json!("special"))?;
    is(&scenario, WORKER, "/status/capacity/pods", &json!("60"))?;

    changed_on_one_host(&mut scenario, &main)?;
    drift_is_put_right(&mut scenario)?;
    a_kubelet_gets_back_what_it_can_live_with(&mut scenario, &main)?;

    // An upgrade lets kubeadm write the kubelet's configuration anew.
    scenario.set_kubernetes_version(NEXT)?;
    scenario.apply()?;
    is(&scenario, WORKER, "/status/nodeInfo/kubeletVersion", &json!(format!("v{NEXT}")))?;
    is(&scenario, WORKER, "/status/capacity/pods", &json!("80"))?;

    // The only control plane too, and back to nothing on the worker.
    let both = main.replace(
        "for name in local.control_planes : name => {",
        "for name in local.control_planes : name => {\n      kubelet = { max_pods = 100 }",
    );
    scenario.terraform.write("main.tf", &both)?;
    let run = scenario.apply()?;
    tell("a control plane gets other settings, a worker loses its own", &run);
    is(&scenario, CONTROL_PLANE, "/status/capacity/pods", &json!("100"))?;
    is(&scenario, WORKER, "/status/capacity/pods", &json!("110"))?;
    is(&scenario, WORKER, "/metadata/labels/pool", &Value::Null)?;
    is(&scenario, WORKER, "/metadata/labels/mine", &json!("1"))?;
    scenario
        .machine(WORKER)
        .run("! ls /etc/kubeone/kubelet.conf.d/* /etc/systemd/system/kubelet.service.d/* 2>/dev/null")?;

    scenario.terraform.destroy(&["-target=kubeone_cluster.this"])?.must_succeed()?;
    for host in [CONTROL_PLANE, WORKER] {
        scenario.machine(host).must_have_no_trace()?;
    }
    scenario.destroy()?;
    Ok(())
}

/// Everything at once on one worker, without a restart of anything else.
fn changed_on_one_host(scenario: &mut Scenario, main: &str) -> Result<()> {
    set_of_worker(scenario, main, SETTINGS)?;
    let steps = planned_steps(scenario)?;
    let expected = "worker-1: set labels pool=general; remove labels zone; set annotations example.com/owner; \
                    set taints dedicated=db:NoSchedule; configure kubelet (max_pods 60 → 80, \
                    system_reserved.memory default → 100Mi), restart";
    ensure!(steps == json!([expected]), "the plan shows {steps}");

    let others = [CONTROL_PLANE, OTHER].map(|name| scenario.machine(name));
    let before = others.iter().map(Machine::traces).collect::<Result<Vec<_>>>()?;
    let containers = "ctr --namespace k8s.io tasks list --quiet | sort";
    let pods = scenario.machine(WORKER).run(containers)?;
    let run = scenario.terraform.apply(&[])?;
    run.must_succeed()?;
    tell("labels, taints, annotations and kubelet settings of one worker", &run);
    let others = [CONTROL_PLANE, OTHER].map(|name| scenario.machine(name));
    for (machine, before) in others.iter().zip(&before) {
        machine.must_be_untouched_since(before)?;
    }
    ensure!(scenario.machine(WORKER).run(containers)? == pods, "containers of the worker were restarted");
    scenario.plan()?.must_be_empty().context("the second plan is not empty")?;

    is(scenario, WORKER, "/metadata/labels/pool", &json!("general"))?;
    is(scenario, WORKER, "/metadata/labels/zone", &Value::Null)?;
    is(scenario, WORKER, "/metadata/annotations/example.com~1owner", &json!("ops"))?;
    is(scenario, WORKER, "/spec/taints", &json!([{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }]))?;
    is(scenario, WORKER, "/status/capacity/pods", &json!("80"))?;
    is(scenario, OTHER, "/status/capacity/pods", &json!("110"))?;
    kubernetes::nodes_are_ready(scenario, &[CONTROL_PLANE, WORKER, OTHER])
}

const SETTINGS: &str = r#"labels = { pool = "general" }, annotations = { "example.com/owner" = "ops" },
      taints = [{ key = "dedicated", value = "db", effect = "NoSchedule" }],
      kubelet = { max_pods = 80, system_reserved = { memory = "100Mi" } }"#;

/// Somebody takes away what is ours and adds what is not.
fn drift_is_put_right(scenario: &mut Scenario) -> Result<()> {
    scenario.kubectl(&format!("label node {WORKER} pool- mine=1"))?;
    scenario.kubectl(&format!("taint node {WORKER} dedicated- maintenance=1:NoSchedule"))?;
    let before = scenario.machine(WORKER).traces()?;
    let steps = planned_steps(scenario)?;
    let expected = "worker-1: set labels pool=general; set taints dedicated=db:NoSchedule";
    ensure!(steps == json!([expected]), "the plan shows {steps}");
    scenario.apply()?;
    // It is done in the API alone.
    scenario.machine(WORKER).must_be_untouched_since(&before)?;
    is(scenario, WORKER, "/metadata/labels/pool", &json!("general"))?;
    is(scenario, WORKER, "/metadata/labels/mine", &json!("1"))?;
    let keys = scenario.kubectl(&format!("get node {WORKER} --output jsonpath='{{.spec.taints[*].key}}'"))?;
    ensure!(keys == "maintenance dedicated", "its taints are `{keys}`");
    Ok(())
}

/// More memory is reserved than the machine has, and the kubelet ends soon after its start; or its service has a flag that
/// goes before the setting.
fn a_kubelet_gets_back_what_it_can_live_with(scenario: &mut Scenario, main: &str) -> Result<()> {
    let too_much = SETTINGS.replace("100Mi", "1000Gi");
    let in_vain =
        SETTINGS.replace("max_pods = 80", "max_pods = 80, eviction_hard = { \"memory.available\" = \"120Mi\" }");
    for (settings, line, reason) in [
        (too_much, "system_reserved.memory 100Mi → 1000Gi", "before are back"),
        (
            in_vain,
            "eviction_hard.memory.available default → 120Mi",
            "the kubelet of worker-1 runs with `evictionHard.memory.available`",
        ),
    ] {
        set_of_worker(scenario, main, &settings)?;
        let began = Instant::now();
        let run = scenario.apply_fails_with("before are back")?;
        run.must_fail_with(reason)?;
        eprintln!("        {line}: taken back in {:.1} s", began.elapsed().as_secs_f64());
        kubernetes::nodes_are_ready(scenario, &[CONTROL_PLANE, WORKER, OTHER])?;
        is(scenario, WORKER, "/status/capacity/pods", &json!("80"))?;
        scenario.machine(WORKER).run(
            "systemctl is-active kubelet && grep 100Mi /etc/kubeone/kubelet.conf.d/settings.conf &&
             ! test -e /etc/kubeone/kubelet-settings.before",
        )?;
        // They were not applied, so the next plan shows them again.
        let steps = planned_steps(scenario)?;
        ensure!(steps.to_string().contains(line), "the plan shows {steps}");
    }
    set_of_worker(scenario, main, SETTINGS)?;
    scenario.plan()?.must_be_empty().context("a plan with the settings before is not empty")
}

/// Gives the first worker settings of its own.
fn set_of_worker(scenario: &Scenario, main: &str, settings: &str) -> Result<()> {
    let (head, tail) =
        main.split_once("  static_workers = {\n    for name").context("the example has another form now")?;
    let fields = ["labels", "annotations", "taints", "kubelet"]
        .map(|field| format!("{field} = try(local.own[name].{field}, null)"));
    let tail = tail.replacen("ssh_host_key = ", &format!("{}\n      ssh_host_key = ", fields.join("\n      ")), 1);
    let own = format!("locals {{\n  own = {{ {WORKER} = {{ {settings} }} }}\n}}\n");
    scenario.terraform.write("main.tf", &format!("{own}\n{head}  static_workers = {{\n    for name{tail}"))?;
    Ok(())
}

pub(crate) fn planned_steps(scenario: &mut Scenario) -> Result<Value> {
    match scenario.plan()?.attribute(CLUSTER, "/planned_steps")? {
        Attribute::Known(steps) => Ok(steps),
        other => bail!("the plan shows the steps as {other:?}"),
    }
}

/// Passes when this is what the API says of a node.
fn is(scenario: &Scenario, node: &str, pointer: &str, expected: &Value) -> Result<()> {
    let found = scenario.kubectl_json(&format!("get node {node}"))?;
    let found = found.pointer(pointer).unwrap_or(&Value::Null);
    ensure!(found == expected, "{pointer} of {node} is {found} instead of {expected}");
    Ok(())
}

fn tell(what: &str, run: &Run) {
    eprintln!("        {what}: {:.1} s", run.duration.as_secs_f64());
}
