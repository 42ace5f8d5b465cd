//! What is done to a cluster while it is disturbed.

use anyhow::{Result, ensure};

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
    /// Among how many parts a turn chooses: as many as its actions make up, disturbed in any way. None when it takes another
    /// minor of Kubernetes, which the lab would have to build first.
    pub(super) parts: usize,
}

/// What most operations are.
const CHANGE: Operation =
    Operation { name: "", before: Some(three_and_one), change: three_and_one, destroys: false, parts: 1 };

pub const OPERATIONS: [Operation; 10] = [
    Operation { name: "create", before: None, change: two_and_one, parts: 4, ..CHANGE },
    Operation { name: "add", before: Some(one_and_one), change: three_and_two, parts: 3, ..CHANGE },
    Operation { name: "remove", before: Some(three_and_two), change: one_and_one_remain, ..CHANGE },
    Operation { name: "replace", change: replace, parts: 4, ..CHANGE },
    Operation { name: "patch", before: Some(with_next_patch), change: patch, parts: 5, ..CHANGE },
    Operation { name: "upgrade", before: Some(with_next_minor), change: upgrade, parts: 0, ..CHANGE },
    Operation { name: "renew", change: renew, ..CHANGE },
    Operation { name: "configure", change: configure, ..CHANGE },
    Operation { name: "restore", before: Some(with_snapshot), change: restore, parts: 4, ..CHANGE },
    Operation { name: "destroy", before: Some(two_and_one), change: two_and_one, destroys: true, ..CHANGE },
];

/// The version that is there before an upgrade, and those after it.
const FROM: &str = "1.35.4";
const NEXT_PATCH: &str = "1.35.5";
const NEXT_MINOR: &str = "1.36.3";

fn size(scenario: &mut Scenario, control_planes: u8, workers: u8) -> Result<()> {
    scenario.terraform.set_variable("control_planes", &control_planes.to_string());
    scenario.terraform.set_variable("workers", &workers.to_string());
    // Whoever writes certificates or backups into the override starts from this.
    override_cluster(scenario, "")
}

fn one_and_one(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 1, 1)
}

/// Two control planes leave, one after the other.
fn one_and_one_remain(scenario: &mut Scenario) -> Result<()> {
    one_and_one(scenario)?;
    override_cluster(scenario, "roll_control_plane = true")
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

fn with_next_patch(scenario: &mut Scenario) -> Result<()> {
    scenario.prepare_kubernetes(&[FROM, NEXT_PATCH])?;
    three_and_one(scenario)
}

fn patch(scenario: &mut Scenario) -> Result<()> {
    scenario.set_kubernetes_version(NEXT_PATCH)
}

fn with_next_minor(scenario: &mut Scenario) -> Result<()> {
    scenario.prepare_kubernetes(&[FROM, NEXT_MINOR])?;
    three_and_one(scenario)
}

fn upgrade(scenario: &mut Scenario) -> Result<()> {
    scenario.set_kubernetes_version(NEXT_MINOR)
}

fn renew(scenario: &mut Scenario) -> Result<()> {
    override_cluster(scenario, "certificates = { renew_trigger = \"sweep\" }")
}

/// Labels and another kubelet setting for every host.
fn configure(scenario: &mut Scenario) -> Result<()> {
    let main = std::fs::read_to_string(scenario.terraform.folder().join("main.tf"))?;
    let key = "ssh_host_key = local.hosts[name].ssh_host_key";
    ensure!(main.matches(key).count() == 2, "the example has another form now");
    let settings = format!("{key}\n      labels = {{ sweep = \"yes\" }}\n      kubelet = {{ max_pods = 90 }}");
    scenario.terraform.write("main.tf", &main.replace(key, &settings))
}

const SNAPSHOT: &str = "backup = { trigger = \"sweep\", copy_to = \"copies\" }";

fn with_snapshot(scenario: &mut Scenario) -> Result<()> {
    size(scenario, 3, 1)?;
    override_cluster(scenario, SNAPSHOT)
}

fn restore(scenario: &mut Scenario) -> Result<()> {
    // It was taken where the cluster began.
    let list = "cd /var/backups/kubeone && ls | sed -n 's/[.]db$//p'";
    let snapshot = scenario.machine("control-plane-1").run(list)?;
    let restore = format!("restore = {{ snapshot = \"{}\" }}", snapshot.trim());
    override_cluster(scenario, &format!("{SNAPSHOT}\n  {restore}"))
}

/// Settings beside those of the example.
fn override_cluster(scenario: &Scenario, settings: &str) -> Result<()> {
    let text = format!("resource \"kubeone_cluster\" \"this\" {{\n  {settings}\n}}\n");
    scenario.terraform.write("sweep_override.tf", &text)
}
