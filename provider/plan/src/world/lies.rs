//! Hosts that report false facts, and the law that no other host is harmed by them.

mod facts;

use facts::{LIES, Lie, marker};
use kubeone_facts::{EtcdMember, HostFacts, HostState};
use kubeone_spec::Severity;

use super::World;
use super::laws::{finished, spec};
use crate::check::check;
use crate::plan::{Action, Plan, plan_removal, plan_with_addons};
use crate::repair::Repair;

/// `restored …`, `replaces …`, `uid …`, `members a b`: the notation of planner cases.
pub(super) fn tell(world: &mut World, name: &str, lie: &str) {
    let (what, value) = lie.split_once(' ').unwrap_or((lie, ""));
    let state = world.observed.hosts.get_mut(name);
    let Some(HostState::Reached(facts)) = state else { panic!("{name} cannot be reached") };
    match what {
        "restored" => marker(facts).restored = Some(value.to_owned()),
        "replaces" => marker(facts).replaces = Some(value.to_owned()),
        "uid" => marker(facts).uid = Some(value.to_owned()),
        "members" => facts.etcd_members = value.split_whitespace().map(member).collect(),
        _ => panic!("{name}: what is the lie `{lie}`?"),
    }
}

fn member(name: &str) -> EtcdMember {
    EtcdMember { id: format!("{name}'s"), name: name.to_owned(), ..EtcdMember::default() }
}

/// A new fact needs a lie.
#[test]
fn every_fact_can_be_lied_about() {
    let mut facts = HostFacts::default();
    facts.unusable_files.insert(String::new(), String::new());
    let serde_json::Value::Object(fields) = serde_json::to_value(facts).unwrap() else { panic!("no object") };
    let without: Vec<_> = fields.keys().filter(|field| !LIES.iter().any(|lie| lie.fact == *field)).collect();
    assert_eq!(without, [""; 0]);
}

/// The clusters in which a host lies, and the host.
fn scenes() -> Vec<(World, &'static str)> {
    let mut scenes = Vec::new();
    let whole = finished(World::new(spec(3, 2, "canal")));
    let mut silent = whole.clone();
    silent.silence();
    let mut lost = silent.clone();
    for name in ["cp-2", "cp-3"] {
        lost.facts(name).kubernetes.etcd_data = false;
        lost.facts(name).kubelet_active = false;
    }
    lost.tell_members();
    let mut shrinks = whole.clone();
    shrinks.change_to(spec(2, 1, "canal"));
    for world in [whole, silent, lost] {
        scenes.extend(["w-1", "cp-1", "cp-2"].map(|liar| (world.clone(), liar)));
    }
    scenes.extend(["w-1", "w-2", "cp-1", "cp-3"].map(|liar| (shrinks.clone(), liar)));
    for (world, _) in &mut scenes {
        world.wanted.uid = Some(super::UID.to_owned());
    }
    scenes
}

fn lied(world: &World, liar: &str, lie: &Lie) -> World {
    let mut world = world.clone();
    for states in [&mut world.observed.hosts, &mut world.observed.leaving] {
        if let Some(HostState::Reached(facts)) = states.get_mut(liar) {
            // The SSH host key is not the host's own claim.
            "ssh-ed25519 the liar's".clone_into(&mut facts.ssh_host_key);
            (lie.tell)(facts);
        }
    }
    world
}

fn planned(world: &World) -> (Plan, Vec<String>, bool) {
    let plan = plan_with_addons(&world.wanted, &world.observed, &world.addons);
    let findings = check(&world.wanted, &plan, &world.observed);
    let is_refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    let texts = findings.iter().map(|it| format!("{} {} {}", it.path, it.summary, it.detail)).collect();
    (plan, texts, is_refused)
}

/// Actions that do not change existing nodes or a finished cluster: no data is lost, and nothing that runs is stopped.
fn is_harmless(action: &Action) -> bool {
    let starts = |repair: &Repair| matches!(repair, Repair::Start { .. } | Repair::RestartKubelet);
    if let Action::RepairNode { what, .. } = action {
        return what.iter().all(starts);
    }
    matches!(
        action,
        Action::TakeSnapshot { .. }
            | Action::CopySnapshots { .. }
            | Action::PreflightUpgrade { .. }
            | Action::FetchUpgrade { .. }
            | Action::UpgradeKubeadmAddons { .. }
            | Action::AwaitNodes { .. }
            | Action::AwaitApi
    )
}

/// Whatever one host reports: the actions on other hosts are those without the lie, or fewer, or the plan is refused,
/// and a new refusal names the host.
#[test]
fn a_lie_does_not_harm_other_hosts() {
    let mut suffers = Vec::new();
    for (world, liar) in scenes() {
        let (truth, known, was_refused) = planned(&world);
        for lie in LIES {
            let what = format!("{liar} lies about {}: {}", lie.fact, lie.says);
            let (plan, findings, is_refused) = planned(&lied(&world, liar, lie));
            if !is_refused {
                let new = plan.actions().filter(|action| action.host() != Some(liar) && !is_harmless(action));
                let new: Vec<_> = new.filter(|action| !truth.actions().any(|it| it == *action)).collect();
                if !new.is_empty() {
                    suffers.push(format!("{what}:\n{new:?}\n{plan}\ninstead of\n{truth}"));
                }
            }
            let names = findings.iter().any(|finding| !known.contains(finding) && finding.contains(liar));
            if is_refused && !was_refused && !names {
                suffers.push(format!("{what}, and is not named:\n{plan}\ninstead of\n{truth}\n{findings:?}"));
            }
        }
    }
    assert!(suffers.is_empty(), "{}", suffers.join("\n"));
}

/// A removal resets the hosts of the cluster, whatever another host reports.
#[test]
fn a_lie_does_not_change_which_other_hosts_are_reset() {
    for (world, liar) in scenes() {
        let others = |plan: &Plan| -> Vec<Action> {
            plan.actions().filter(|action| action.host() != Some(liar)).cloned().collect()
        };
        let truth = others(&plan_removal(&world.wanted, &world.observed));
        for lie in LIES {
            let lied = lied(&world, liar, lie);
            assert_eq!(others(&plan_removal(&lied.wanted, &lied.observed)), truth, "{liar}: {}", lie.says);
        }
    }
}
