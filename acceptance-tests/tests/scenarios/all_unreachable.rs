//! Nobody answers: a plan says so in time and leaves the state as it is. And a plan that is told not to look does not.

use std::time::Instant;

use acceptance_tests::scenario::{Programs, Scenario};
use anyhow::{Result, ensure};

const HOSTS: [&str; 2] = ["control-plane-1", "worker-1"];

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("all-unreachable", programs)?;
    scenario.apply()?;
    no_look_without_refresh(&mut scenario)?;

    let before = scenario.terraform.state_text()?;
    for (how, limit) in [("refuse", 25), ("are silent", 60)] {
        for name in HOSTS {
            let machine = scenario.machine(name);
            if how == "refuse" {
                machine.run("systemctl stop ssh.socket ssh 2>/dev/null || systemctl stop ssh").map(drop)?;
            } else {
                machine.plug(false)?;
            }
        }
        let began = Instant::now();
        let run = scenario.terraform.plan_run(&[])?;
        let seconds = began.elapsed().as_secs();
        run.must_succeed()?;
        eprintln!("        plan when all hosts {how}: {seconds} s");
        ensure!(seconds < limit, "a plan when all hosts {how} took {seconds} s");
        let warned = run.diagnostics.iter().any(|diagnostic| diagnostic.summary.contains("could not be looked at"));
        ensure!(warned, "the plan does not warn: {:#?}", run.diagnostics);
        ensure!(scenario.terraform.state_text()? == before, "the state changed");
    }

    let began = Instant::now();
    let run = scenario.terraform.plan_run(&["-refresh=false"])?;
    run.must_succeed()?;
    // Terraform itself says that the provider is one of this machine.
    let complaint = run.diagnostics.iter().find(|it| !it.summary.contains("development overrides"));
    ensure!(complaint.is_none(), "a plan that does not look complains: {complaint:#?}");
    ensure!(began.elapsed().as_secs() < 5, "a plan that does not look took {:?}", began.elapsed());
    Ok(())
}

/// Every attempt counts, not only those that get in.
fn no_look_without_refresh(scenario: &mut Scenario) -> Result<()> {
    let connections = |scenario: &Scenario| -> Result<String> {
        HOSTS.iter().map(|name| scenario.machine(name).run("journalctl --unit=ssh --output=cat | wc --lines")).collect()
    };
    let before = connections(scenario)?;
    scenario.terraform.plan(&["-refresh=false"])?.must_be_empty()?;
    ensure!(connections(scenario)? == before, "a plan without a refresh connected to a host");
    scenario.plan()?.must_be_empty()?;
    ensure!(connections(scenario)? != before, "a plan with a refresh left no trace, so this proves nothing");
    Ok(())
}
