//! What is done to a cluster while it is disturbed.

use anyhow::Result;

use crate::scenario::{Address, Scenario};

/// A change of a cluster, told in Terraform.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    /// What is there before; nothing when the cluster is to be made by the operation itself.
    pub(super) before: Option<fn(&mut Scenario) -> Result<()>>,
    /// Changes the configuration.
    pub(super) change: fn(&mut Scenario) -> Result<()>,
    pub(super) destroys: bool,
}

pub const OPERATIONS: [Operation; 8] = [
    Operation { name: "create", before: None, change: two_and_one, destroys: false },
    Operation { name: "add", before: Some(one_and_one), change: three_and_two, destroys: false },
    Operation { name: "remove", before: Some(three_and_two), change: one_and_one, destroys: false },
    Operation { name: "replace", before: Some(three_and_one), change: replace, destroys: false },
    Operation { name: "upgrade", before: Some(three_and_one), change: upgrade, destroys: false },
    Operation { name: "renew", before: Some(three_and_one), change: renew, destroys: false },
    Operation { name: "restore", before: Some(with_snapshot), change: restore, destroys: false },
    Operation { name: "destroy", before: Some(two_and_one), change: two_and_one, destroys: true },
];

/// The version that is there before an upgrade, and the one after it.
const UPGRADE: [&str; 2] = ["1.35.4", "1.36.3"];

fn size(scenario: &mut Scenario, control_planes: u8, workers: u8) -> Result<()> {
    scenario.terraform.set_variable("control_planes", &control_planes.to_string());
    scenario.terraform.set_variable("workers", &workers.to_string());
    // Whoever writes certificates or backups into the override starts from this.
    override_cluster(scenario, "")
}

fn one_and_one(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 1, 1)
}

fn two_and_one(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 2, 1)
}

fn three_and_one(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 3, 1)
}

fn three_and_two(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 3, 2)
}

/// The machine that ran `kubeadm init`, and the worker.
fn replace(scenario: &mut Scenario) -> Result<()> {
    scenario.new_machine("control-plane-1", Address::Other)?;
    scenario.new_machine("worker-1", Address::Same)
}

fn upgrade(scenario: &mut Scenario) -> Result<()> {
    scenario.prepare_kubernetes(&UPGRADE)?;
    scenario.set_kubernetes_version(UPGRADE[1])
}

fn renew(scenario: &mut Scenario) -> Result<()> {
    override_cluster(scenario, "certificates = { renew_trigger = \"sweep\" }")
}

fn with_snapshot(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 3, 1)?;
    override_cluster(scenario, "backup = { trigger = \"sweep\" }")
}

fn restore(_: &mut Scenario) -> Result<()> {
    anyhow::bail!("not yet")
}

/// Settings beside those of the example.
fn override_cluster(scenario: &Scenario, settings: &str) -> Result<()> {
    let text = format!("resource \"kubeone_cluster\" \"this\" {{\n  {settings}\n}}\n");
    scenario.terraform.write("sweep_override.tf", &text)
}
