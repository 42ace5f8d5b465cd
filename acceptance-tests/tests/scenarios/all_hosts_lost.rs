//! All machines are gone with their disks. New ones of the same names get the cluster back from an encrypted copy of a
//! snapshot: with its data, its identity and its keys.

use acceptance_tests::scenario::{Address, Programs, Scenario};
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use anyhow::{Context, Result, ensure};

use crate::restored::{is_as_at_the_snapshot, settings};

const NODES: [&str; 4] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("all-hosts-lost", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    let key = Identity::generate();
    let folder = scenario.terraform.folder().to_owned();
    std::fs::write(folder.join("backup.key"), key.to_string().expose_secret())?;
    let copies = folder.join("copies");
    let backup = format!(
        "backup = {{ trigger = \"first\", copy_to = \"{}\", recipients = [\"{}\"] }}",
        copies.display(),
        key.to_public()
    );
    scenario.apply()?;
    scenario.kubectl("create configmap before")?;
    settings(&scenario, &backup)?;
    scenario.apply()?;
    scenario.kubectl("create configmap after")?;
    let identity = identity(&scenario)?;

    for name in NODES {
        scenario.machine(name).remove()?;
        scenario.new_machine(name, Address::Other)?;
    }
    let copy = std::fs::read_dir(&copies)?.next().context("there is no copy")??.path();
    settings(&scenario, &format!("{backup}\n  restore = {{ snapshot = \"{}\" }}", copy.display()))?;
    let key_file =
        format!("provider \"kubeone\" {{\n  backup = {{ identity_file = \"{}/backup.key\" }}\n}}\n", folder.display());
    scenario.terraform.write("key_override.tf", &key_file)?;
    let run = scenario.apply()?;
    eprintln!("        3 + 1 on new machines, machines included: {:.1} s", run.duration.as_secs_f64());
    is_as_at_the_snapshot(&scenario, &NODES)?;
    let now = self::identity(&scenario)?;
    ensure!(now == identity, "the cluster was {identity} and is {now}");
    scenario.destroy()?;
    Ok(())
}

/// The uid of the cluster and its CA.
fn identity(scenario: &Scenario) -> Result<String> {
    let uid = scenario.kubectl("get namespace kube-system --output jsonpath='{.metadata.uid}'")?;
    let ca = scenario.any_control_plane()?.run("sha256sum </etc/kubernetes/pki/ca.crt")?;
    Ok(format!("{uid} {ca}"))
}
