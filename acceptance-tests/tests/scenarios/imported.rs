//! A cluster made by hand with kubeadm: found by an import that touches nothing, adopted by writing a marker, then run
//! like any other, forgotten and found again, and removed.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use acceptance_tests::scenario::{Programs, Scenario, Traces};
use acceptance_tests::terraform::Attribute;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const CLUSTER: &str = "kubeone_cluster.this";
const VERSION: &str = "1.35.4";
/// Its packages come from the very repository that was set up by hand, whose key lies elsewhere.
const NEXT_PATCH: &str = "1.35.5";

/// Hosts, and the names of their nodes, which are others.
const CONTROL_PLANES: [(&str, &str); 3] =
    [("control-plane-1", "alpha"), ("control-plane-2", "beta"), ("control-plane-3", "gamma")];
const WORKERS: [(&str, &str); 2] = [("worker-1", "delta"), ("worker-2", "epsilon")];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("imported", programs)?;
    scenario.prepare_kubernetes(&[VERSION, NEXT_PATCH])?;
    without_cluster(&scenario)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "2");
    scenario.apply()?;
    made_by_hand(&scenario)?;
    let before = traces(&scenario)?;

    not_taken_over_by_a_create(&mut scenario, &before)?;
    described_by_terraform(&mut scenario, &before)?;
    adopted(&mut scenario, &before)?;
    changed(&mut scenario)?;
    upgraded(&mut scenario)?;
    forgotten_and_found_again(&mut scenario)?;
    removed(&mut scenario)
}

/// The hosts of the cluster that is made by hand: all but the last worker.
fn nodes() -> impl Iterator<Item = (&'static str, &'static str)> {
    CONTROL_PLANES.into_iter().chain(WORKERS).take(4)
}

fn without_cluster(scenario: &Scenario) -> Result<()> {
    let terraform = &scenario.terraform;
    let main = fs::read_to_string(terraform.folder().join("main.tf"))?;
    let hosts = main.split("# --- The cluster").next().unwrap_or_default();
    terraform.write("main.tf", hosts)?;
    // Nothing says the keys of imported hosts beforehand. They are learned, but not by whoever runs this.
    let versions = fs::read_to_string(terraform.folder().join("versions.tf"))?;
    let known_hosts = "    known_hosts_file = \"${path.module}/known_hosts\"\n    private_key_file";
    terraform.write("versions.tf", &versions.replacen("    private_key_file", known_hosts, 1))
}

/// What the lab says about the load balancer or a host.
fn answer(scenario: &Scenario, of: &str) -> Result<Value> {
    let path = scenario.terraform.folder().join(".lab").join(format!("{of}.json"));
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?)?)
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().map_or_else(|| answer[field].to_string(), str::to_owned)
}

fn script(variables: &[(&str, &str)], body: &str) -> String {
    let variables: String = variables.iter().flat_map(|(name, value)| [name, "='", value, "'\n"]).collect();
    format!("set -euo pipefail\n{variables}{body}")
}

/// Each step waits for the one before; all hosts are prepared side by side.
fn made_by_hand(scenario: &Scenario) -> Result<()> {
    let began = Instant::now();
    let prepare = script(&[("VERSION", VERSION)], include_str!("by_hand/prepare.sh"));
    std::thread::scope(|scope| {
        let prepared: Vec<_> = nodes().map(|(host, _)| scope.spawn(|| scenario.machine(host).run(&prepare))).collect();
        prepared.into_iter().try_for_each(|it| match it.join() {
            Ok(result) => result.map(drop),
            Err(_) => anyhow::bail!("a preparation panicked"),
        })
    })?;
    let balancer = answer(scenario, "load-balancer")?;
    let endpoint = format!("{}:{}", text(&balancer, "host"), text(&balancer, "port"));
    let key = "0123456789abcdef".repeat(4);
    let (first, name) = CONTROL_PLANES[0];
    let address = text(&answer(scenario, first)?, "address");
    let variables =
        [("VERSION", VERSION), ("NODE", name), ("ADDRESS", &address), ("ENDPOINT", &endpoint), ("KEY", &key)];
    let join = scenario.machine(first).run(&script(&variables, include_str!("by_hand/init.sh")))?;
    for (host, name) in nodes().skip(1) {
        let role =
            if host.starts_with("worker") { String::new() } else { format!("--control-plane --certificate-key {key}") };
        let command = format!("{} --node-name {name} --ignore-preflight-errors SystemVerification {role}", join.trim());
        scenario.machine(host).run(&format!("{command} >/var/log/kubeadm-join.log 2>&1"))?;
    }
    scenario.kubectl_apply(include_str!("manifests/flannel.yaml"))?;
    for (host, name) in nodes() {
        with_network(scenario, host, name)?;
    }
    scenario.kubectl("wait nodes --all --for condition=Ready --timeout 120s")?;
    scenario.kubectl("--namespace kube-system rollout status deployment coredns --timeout 170s")?;
    eprintln!("        made by hand: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn with_network(scenario: &Scenario, host: &str, node: &str) -> Result<()> {
    let subnet = scenario.kubectl(&format!("get node {node} --output jsonpath={{.spec.podCIDR}}"))?;
    ensure!(!subnet.is_empty(), "{node} has no subnet for pods");
    scenario.machine(host).run(&script(&[("POD_SUBNET", subnet.trim())], include_str!("by_hand/network.sh"))).map(drop)
}

fn traces(scenario: &Scenario) -> Result<BTreeMap<&'static str, Traces>> {
    nodes().map(|(host, _)| Ok((host, scenario.machine(host).traces()?))).collect()
}

fn untouched(scenario: &Scenario, before: &BTreeMap<&'static str, Traces>) -> Result<()> {
    before.iter().try_for_each(|(host, before)| scenario.machine(host).must_be_untouched_since(before))
}

/// The cluster as its new owner writes it down.
fn write_cluster(scenario: &Scenario, version: &str, workers: usize) -> Result<()> {
    let map = |hosts: &[(&str, &str)]| -> String {
        let host = |(host, node): &(&str, &str)| {
            format!(
                "    {node} = {{ address = local.hosts[\"{host}\"].address, instance_id = \
                 local.hosts[\"{host}\"].instance_id, ssh_host_key = local.hosts[\"{host}\"].ssh_host_key }}\n"
            )
        };
        hosts.iter().map(host).collect()
    };
    let text = format!(
        "resource \"kubeone_cluster\" \"this\" {{\n  name = \"adopted\"\n  kubernetes_version = \"{version}\"\n  \
         api_endpoint = {{ host = local.api.host, port = local.api.port }}\n  \
         packages = {{ signing_key_fingerprints = local.api.package_signing_keys }}\n  control_plane = {{\n{}  }}\n  \
         static_workers = {{\n{}  }}\n  cluster_network = {{ cni = \"none\" }}\n  deletion = {{ protection = false }}\n}}\n",
        map(&CONTROL_PLANES),
        map(&WORKERS[..workers]),
    );
    scenario.terraform.write("cluster.tf", &text)
}

fn write_import(scenario: &Scenario, of: &str) -> Result<()> {
    let address = text(&answer(scenario, of)?, "address");
    scenario.terraform.write("import.tf", &format!("import {{\n  to = {CLUSTER}\n  id = \"{address}\"\n}}\n"))
}

/// Without the cluster in the state it is somebody else's.
fn not_taken_over_by_a_create(scenario: &mut Scenario, before: &BTreeMap<&'static str, Traces>) -> Result<()> {
    write_cluster(scenario, VERSION, 1)?;
    scenario.apply_fails_with("is refused: it runs Kubernetes that this provider did not install")?;
    untouched(scenario, before)
}

/// `-generate-config-out` writes a configuration that describes the cluster.
fn described_by_terraform(scenario: &mut Scenario, before: &BTreeMap<&'static str, Traces>) -> Result<()> {
    fs::remove_file(scenario.terraform.folder().join("cluster.tf"))?;
    write_import(scenario, "control-plane-2")?;
    let plan = scenario.terraform.plan(&["-generate-config-out=generated.tf"])?;
    let generated = fs::read_to_string(scenario.terraform.folder().join("generated.tf"))?;
    plan.must_do(&[(CLUSTER, "update")]).with_context(|| generated.clone())?;
    adopts_all(&plan.attribute(CLUSTER, "/planned_steps")?)?;
    // As it stands it is a configuration.
    let plan = scenario.plan().with_context(|| generated.clone())?;
    plan.must_do(&[(CLUSTER, "update")])?;
    ensure!(generated.contains("kubernetes_version = \"1.35.4\""), "{generated}");
    fs::remove_file(scenario.terraform.folder().join("generated.tf"))?;
    untouched(scenario, before)
}

fn adopts_all(steps: &Attribute) -> Result<()> {
    let expected: Vec<_> = nodes().map(|(_, name)| format!("{name}: adopt (write the marker)")).collect();
    ensure!(*steps == Attribute::Known(json!(expected)), "the planned steps are {steps:?}");
    Ok(())
}

/// Markers and the record of kubeadm's files are all that is new on the hosts.
fn adopted(scenario: &mut Scenario, before: &BTreeMap<&'static str, Traces>) -> Result<()> {
    write_cluster(scenario, VERSION, 1)?;
    write_import(scenario, "control-plane-1")?;
    let plan = scenario.plan()?;
    plan.must_do(&[(CLUSTER, "update")])?;
    adopts_all(&plan.attribute(CLUSTER, "/planned_steps")?)?;
    untouched(scenario, before)?;
    let run = scenario.apply()?;
    eprintln!("        import and adoption of 3 + 1: {:.1} s", run.duration.as_secs_f64());
    for (host, before) in before {
        let changes = before.changes_to(&scenario.machine(host).traces()?);
        let ours = |change: &String| change.starts_with("/etc/kubeone/") && change.ends_with(" is new");
        ensure!(!changes.is_empty() && changes.iter().all(ours), "on {host}: {}", changes.join(", "));
    }
    Ok(())
}

/// A new machine joins the cluster that is now ours; the others stay as they are.
fn changed(scenario: &mut Scenario) -> Result<()> {
    let before = traces(scenario)?;
    write_cluster(scenario, VERSION, 2)?;
    let run = scenario.apply()?;
    eprintln!("        a worker joins it: {:.1} s", run.duration.as_secs_f64());
    let (host, node) = WORKERS[1];
    with_network(scenario, host, node)?;
    scenario.kubectl("wait nodes --all --for condition=Ready --timeout 120s")?;
    untouched(scenario, &before)
}

/// Another patch release comes to all nodes. What was set up by hand stays as it is, but for the entry of apt that is in
/// the way.
fn upgraded(scenario: &mut Scenario) -> Result<()> {
    let before = traces(scenario)?;
    write_cluster(scenario, NEXT_PATCH, 2)?;
    let run = scenario.apply()?;
    eprintln!("        upgrade of 3 + 2 to {NEXT_PATCH}: {:.1} s", run.duration.as_secs_f64());
    let versions = scenario.kubectl("get nodes --output jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'")?;
    let wanted = format!("v{NEXT_PATCH}");
    ensure!(versions.split_whitespace().all(|version| version == wanted), "the kubelets are {versions}");
    scenario.kubectl("wait nodes --all --for condition=Ready --timeout 120s")?;
    for (host, before) in before {
        let after = scenario.machine(host).traces()?;
        for what in [
            "/etc/containerd/config.toml",
            "/etc/apt/sources.list.d/docker.list",
            "/etc/sysctl.d/k8s.conf",
            "/etc/modules-load.d/k8s.conf",
            "package containerd.io",
            "unit containerd",
        ] {
            ensure!(before.entry(what)? == after.entry(what)?, "on {host} {what} has changed");
        }
        scenario.machine(host).run("apt-get update --quiet --quiet")?;
    }
    Ok(())
}

/// A cluster of ours that Terraform forgot says by its markers that nothing is to be done.
fn forgotten_and_found_again(scenario: &mut Scenario) -> Result<()> {
    let before = traces(scenario)?;
    let folder = scenario.terraform.folder().to_owned();
    fs::remove_file(folder.join("import.tf"))?;
    fs::remove_file(folder.join("cluster.tf"))?;
    let forget = format!("removed {{\n  from = {CLUSTER}\n  lifecycle {{ destroy = false }}\n}}\n");
    scenario.terraform.write("forget.tf", &forget)?;
    scenario.apply()?;
    scenario.state()?.must_not_have(CLUSTER)?;
    fs::remove_file(folder.join("forget.tf"))?;

    write_import(scenario, "control-plane-3")?;
    scenario.terraform.plan(&["-generate-config-out=generated.tf"])?.must_do(&[])?;
    // What Terraform wrote is not only a plan: it is applied, and nothing is to be done.
    let generated = fs::read_to_string(folder.join("generated.tf"))?;
    scenario.apply().with_context(|| generated.clone())?;
    ensure!(scenario.state()?.addresses().contains(&CLUSTER), "the state does not have the cluster");
    untouched(scenario, &before)?;
    fs::remove_file(folder.join("generated.tf"))?;
    write_cluster(scenario, NEXT_PATCH, 2)?;
    let plan = scenario.plan()?;
    let steps = plan.attribute(CLUSTER, "/planned_steps")?;
    ensure!(steps == Attribute::Known(json!([])), "the planned steps are {steps:?}");
    scenario.apply()?;
    untouched(scenario, &before)
}

/// Kubernetes goes; packages that were there before us, and how the host was set up, stay.
fn removed(scenario: &mut Scenario) -> Result<()> {
    let run = scenario.terraform.destroy(&[&format!("-target={CLUSTER}")])?;
    run.must_succeed()?;
    eprintln!("        destroy of 3 + 2: {:.1} s", run.duration.as_secs_f64());
    for (host, _) in nodes() {
        scenario.machine(host).run(
            "set -e; test ! -e /etc/kubernetes/admin.conf; test ! -e /etc/kubernetes/kubelet.conf; test ! -e /etc/kubeone
             test ! -e /var/lib/etcd/member; dpkg --status kubelet kubeadm kubectl containerd.io >/dev/null
             test -e /etc/sysctl.d/k8s.conf; grep --quiet '^deb ' /etc/apt/sources.list.d/kubernetes.list
             test ! -e /etc/apt/sources.list.d/kubeone.sources; grep --quiet 'SystemdCgroup = true' /etc/containerd/config.toml
             systemctl is-active containerd",
        )?;
    }
    // What was brought by hand is not ours to remove.
    let (joined, _) = WORKERS[1];
    scenario.machine(joined).run("rm /etc/cni/net.d/10-bridge.conflist && rmdir /etc/cni/net.d")?;
    scenario.machine(joined).must_have_no_trace()?;
    scenario.destroy()?;
    Ok(())
}
