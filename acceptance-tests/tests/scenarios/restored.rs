//! etcd goes back to a snapshot, on the same hosts: what was written before is there, what was written after is not, and
//! everything works.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Context, Result, ensure};

use crate::change::Change;
use crate::kubernetes;

const CLUSTER: &str = "kubeone_cluster.this";
const NODES: [&str; 4] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("restored", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;

    let snapshot = snapshot_between(&mut scenario)?;
    mistyped(&mut scenario, &snapshot)?;
    settings(&scenario, &format!("{TAKEN}\n  restore = {{ snapshot = \"{snapshot}\" }}"))?;
    let plan = scenario.plan()?;
    let Attribute::Known(steps) = plan.attribute(CLUSTER, "/planned_steps")? else {
        anyhow::bail!("the plan does not show its steps");
    };
    let steps = steps.to_string();
    ensure!(steps.contains(&format!("restore etcd from snapshot {snapshot}")), "{steps}");

    // The API and etcd are away meanwhile.
    let change = Change::begin_without_probes(&scenario, "restore of 3 + 1")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[])?;
    is_as_at_the_snapshot(&scenario, &NODES)?;

    // Once more, and only because it is asked for.
    scenario.kubectl("create configmap after")?;
    settings(&scenario, &format!("{TAKEN}\n  restore = {{ snapshot = \"{snapshot}\", trigger = \"again\" }}"))?;
    let change = Change::begin_without_probes(&scenario, "the same restore again")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &[])?;
    is_as_at_the_snapshot(&scenario, &NODES)?;
    scenario.destroy()?;
    Ok(())
}

/// What cannot be read is found out before anything stops, and the wish can be taken back.
fn mistyped(scenario: &mut Scenario, snapshot: &str) -> Result<()> {
    let not_a_snapshot = scenario.terraform.folder().join(format!("{snapshot}.db"));
    std::fs::write(&not_a_snapshot, "not a snapshot")?;
    let missing = scenario.terraform.folder().join(format!("missing/{snapshot}.db"));
    for path in [missing, not_a_snapshot] {
        settings(scenario, &format!("{TAKEN}\n  restore = {{ snapshot = \"{}\" }}", path.display()))?;
        scenario.apply_fails_with(&path.display().to_string())?;
        scenario.kubectl("get configmap after")?;
    }
    settings(scenario, TAKEN)?;
    scenario.plan()?.must_be_empty().context("the plan after a restore that was taken back")
}

/// The provider is killed, and the power of the host is cut, when etcd has the restored data and nothing runs yet.
pub(crate) fn interrupted(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("restore-interrupted", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    let snapshot = snapshot_between(&mut scenario)?;
    let restore = format!("{TAKEN}\n  restore = {{ snapshot = \"{snapshot}\" }}");
    settings(&scenario, &restore)?;
    let apply = scenario.apply_in_background()?;
    let restorer = scenario.machine(NODES[0]);
    restorer.wait_until("the restored data", PATIENCE, "test -e /etc/kubernetes/kubeone-restore/replaced")?;
    apply.kill_provider()?;
    restorer.reboot()?;
    ensure!(!apply.wait()?.succeeded, "the apply outlived its provider");

    // An interrupted restore is not forgotten.
    settings(&scenario, TAKEN)?;
    scenario.terraform.plan_run(&[])?.must_fail_with("was interrupted; ")?;
    settings(&scenario, &restore)?;
    scenario.apply()?;
    is_as_at_the_snapshot(&scenario, &NODES)
}

/// Back to a snapshot, on to the data of another control plane, and back to the same snapshot while the first control plane
/// still remembers it from the first time: its marker must not make it skip what all others have stopped for.
pub(crate) fn back_and_forth(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("restored-back-and-forth", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "1");
    scenario.apply()?;
    let snapshot = snapshot_between(&mut scenario)?;
    let to_snapshot = format!("{TAKEN}\n  restore = {{ snapshot = \"{snapshot}\" }}");
    settings(&scenario, &to_snapshot)?;
    scenario.apply()?;
    is_as_at_the_snapshot(&scenario, &NODES)?;

    scenario.kubectl("create configmap after")?;
    settings(&scenario, &format!("{TAKEN}\n  restore = {{ survivor = \"{}\" }}", NODES[1]))?;
    let apply = scenario.apply_in_background()?;
    let survivor = scenario.machine(NODES[1]);
    let remembers = format!("grep --quiet 'the data of {}' /etc/kubeone/cluster.json", NODES[1]);
    survivor.wait_until("the marker of the survivor", PATIENCE, &remembers)?;
    apply.kill_provider()?;
    ensure!(!apply.wait()?.succeeded, "the apply outlived its provider");

    settings(&scenario, &to_snapshot)?;
    scenario.apply()?;
    is_as_at_the_snapshot(&scenario, &NODES)?;
    scenario.plan()?.must_be_empty().context("the plan after the third restore")?;
    scenario.destroy()?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_mins(3);
const TAKEN: &str = "backup = { trigger = \"first\" }";

/// Settings beside those of the example.
pub(crate) fn settings(scenario: &Scenario, text: &str) -> Result<()> {
    scenario
        .terraform
        .write("restore_override.tf", &format!("resource \"kubeone_cluster\" \"this\" {{\n  {text}\n}}\n"))
}

/// Writes something, takes a snapshot, writes something else, and answers the name of the snapshot.
pub(crate) fn snapshot_between(scenario: &mut Scenario) -> Result<String> {
    scenario.kubectl("create configmap before")?;
    settings(scenario, TAKEN)?;
    scenario.apply()?;
    scenario.kubectl("create configmap after")?;
    let names = scenario.machine(NODES[0]).run("cd /var/backups/kubeone && ls *.db")?;
    let name = names.trim().strip_suffix(".db").with_context(|| format!("the snapshots are `{}`", names.trim()))?;
    Ok(name.to_owned())
}

/// Passes when what was there before the snapshot is there, what came after is not, and the cluster works.
pub(crate) fn is_as_at_the_snapshot(scenario: &Scenario, nodes: &[&str]) -> Result<()> {
    let names = scenario.kubectl("get configmaps --no-headers --output custom-columns=:.metadata.name")?;
    let names: Vec<_> = names.split_whitespace().filter(|name| *name != "kube-root-ca.crt").collect();
    ensure!(names == ["before"], "the ConfigMaps are {names:?}");
    kubernetes::nodes_are_ready(scenario, nodes)?;
    kubernetes::pods_reach_each_other_after_an_outage(scenario, nodes.len())?;
    let members = scenario.voting_members()?;
    let control_planes: Vec<_> = nodes.iter().filter(|name| name.starts_with("control-plane")).copied().collect();
    ensure!(members == control_planes, "the voting members of etcd are {members:?}");
    Ok(())
}
