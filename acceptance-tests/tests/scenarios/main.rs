//! Scenarios on real hosts: `cargo test --features lab --test scenarios -- [part of a name]…`, as root. Without a name the
//! usual ones run; with `--turn=N` one of the longer ones, another one for each N; with `--all` all there are.
//!
//! Without the feature it only lists them, so that a plain `cargo test` touches nothing. The provider is taken from
//! `KUBEONE_PROVIDER`, else from the folder of this very build.

mod all_hosts_lost;
mod all_unreachable;
mod apt_locked;
mod audit;
mod backup;
mod broken_destroyed;
mod certificates;
mod change;
mod cluster_status;
mod control_planes_come_and_go;
mod control_planes_replaced;
mod create_fails;
mod ctrl_c;
mod destroyed;
mod foreign_host;
mod hosts_come_and_go;
mod hosts_reboot;
mod imported;
mod interrupted;
mod kubeconfig;
mod kubernetes;
mod machines_exchanged;
mod member_repaired;
mod mistakes;
mod names_of_the_api;
mod node_settings;
mod one_and_one;
mod opentofu;
mod partly_unknown;
mod process_watch;
mod progress_files;
mod quorum_guarded;
mod quorum_lost;
mod repairs;
mod restored;
mod state_evolves;
mod three_and_two;
mod two_applies;
mod upgrade;
mod upgrade_fails;
mod upgrade_planned;
mod upgrade_rolled_back;
mod workers_come_and_go;

use std::process::ExitCode;
use std::time::Instant;

use acceptance_tests::scenario::{Programs, clean_up_when_interrupted};
use anyhow::{Context as _, Result, ensure};

type Story = fn(&Programs) -> Result<()>;

/// In the order they run.
const SCENARIOS: &[(&str, Story)] = &[
    ("hosts-come-and-go", hosts_come_and_go::run),
    ("one-and-one", one_and_one::run),
    ("three-and-two", three_and_two::run),
    ("provider-killed-during-init", interrupted::provider_killed_during_init),
    ("provider-killed-during-join", interrupted::provider_killed_during_join),
    ("ssh-cut", interrupted::ssh_cut),
    ("apt-locked", apt_locked::run),
    ("foreign-host", foreign_host::run),
    ("workers-come-and-go", workers_come_and_go::run),
    ("drift-repaired", repairs::drift),
    ("objects-repaired", repairs::objects),
    ("packages-repaired", repairs::packages),
    ("backup", backup::run),
    ("upgrade-patch", upgrade::patch),
    ("opentofu", opentofu::run),
];

/// Longer ones, of which one runs each day.
const BY_TURN: &[(&str, Story)] = &[
    ("node-settings", node_settings::run),
    ("worker-leaves-its-machine", workers_come_and_go::machine_stays),
    ("control-planes-come-and-go", control_planes_come_and_go::run),
    ("control-planes-replaced", control_planes_replaced::run),
    ("machines-exchanged", machines_exchanged::run),
    ("hosts-reboot", hosts_reboot::run),
    ("two-applies", two_applies::run),
    ("ctrl-c", ctrl_c::run),
    ("imported", imported::run),
    ("certificates-renewed", certificates::renewed),
    ("names-of-the-api", names_of_the_api::run),
    ("api-down", repairs::api_down),
    ("member-repaired", member_repaired::run),
    ("all-unreachable", all_unreachable::run),
    ("kubeconfig", kubeconfig::run),
    ("cluster-status", cluster_status::run),
    ("restored", restored::run),
    ("restore-interrupted", restored::interrupted),
    ("quorum-lost", quorum_lost::run),
    ("all-hosts-lost", all_hosts_lost::run),
    ("mistakes", mistakes::run),
    ("partly-unknown", partly_unknown::run),
    ("create-fails", create_fails::run),
    ("quorum-guarded", quorum_guarded::run),
    ("destroyed", destroyed::run),
    ("broken-destroyed", broken_destroyed::run),
    ("state-evolves", state_evolves::run),
    ("upgrade-planned", upgrade_planned::run),
    ("upgrade-fails", upgrade_fails::run),
    ("upgrade-rolled-back", upgrade_rolled_back::run),
];

/// They run when they are named: two take another minor of Kubernetes, which the lab may have to build first, one restores a
/// cluster three times, and one changes three API servers three times.
const BY_NAME: &[(&str, Story)] = &[
    ("audit", audit::run),
    ("upgrade-minor", upgrade::minor),
    ("upgrade-provider-killed", upgrade::provider_killed),
    ("restored-back-and-forth", restored::back_and_forth),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !cfg!(feature = "lab") {
        eprintln!("scenarios run with `--features lab`; there are:");
        all().for_each(|(name, _)| eprintln!("  {name}"));
        return ExitCode::SUCCESS;
    }
    match choose(&arguments).and_then(|chosen| run(&chosen)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

type Named = (&'static str, Story);

fn all() -> impl Iterator<Item = &'static Named> {
    SCENARIOS.iter().chain(BY_TURN).chain(BY_NAME)
}

fn choose(arguments: &[String]) -> Result<Vec<&'static Named>> {
    if let Some(turn) = arguments.iter().find_map(|argument| argument.strip_prefix("--turn=")) {
        let turn: usize = turn.parse().with_context(|| format!("`{turn}` is no number"))?;
        return Ok(vec![&BY_TURN[turn % BY_TURN.len()]]);
    }
    if arguments.iter().any(|argument| argument == "--all") {
        return Ok(all().collect());
    }
    let wanted: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    if wanted.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    let chosen: Vec<_> = all().filter(|(name, _)| wanted.iter().any(|part| name.contains(*part))).collect();
    ensure!(!chosen.is_empty(), "no scenario has such a name");
    Ok(chosen)
}

/// Runs scenarios one after the other and answers how many failed.
fn run(chosen: &[&Named]) -> Result<usize> {
    clean_up_when_interrupted()?;
    let programs = Programs::of_this_build(env!("CARGO_BIN_EXE_lab"));
    let (mut passed, mut failed) = (0, 0);
    for (name, story) in chosen {
        let started = Instant::now();
        let result = story(&programs);
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                passed += 1;
                eprintln!("ok      {name} ({seconds:.1} s)");
            }
            Err(error) => {
                failed += 1;
                eprintln!("FAILED  {name} ({seconds:.1} s)\n{error:#}\n");
            }
        }
    }
    eprintln!("\n{passed} passed, {failed} failed");
    Ok(failed)
}
