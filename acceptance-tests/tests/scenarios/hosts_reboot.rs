//! Hosts reboot, in good order and without warning, one after the other: the cluster comes back by itself, and its users
//! notice nothing or little. Neither the hosts that stay nor terraform have anything to do.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Request, Scenario};
use anyhow::{Result, ensure};

use crate::kubernetes;

const NODES: [&str; 4] = ["control-plane-1", "control-plane-2", "control-plane-3", "worker-1"];
const PATIENCE: Duration = Duration::from_mins(3);
/// What a client sees of a machine that dies in the middle of its request, until the load balancer has noticed.
const NOTICED: Duration = Duration::from_secs(5);

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("hosts-reboot", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.apply()?;
    let before = scenario.machine(NODES[0]).traces()?;

    let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
    let quorum = scenario.probe_quorum()?;
    let application = scenario.probe_workload()?;
    scenario.machine(NODES[1]).reboot_in_order()?;
    is_whole_again(&scenario)?;
    let (api, application) = (api.end()?, application.end()?);
    eprintln!("        orderly reboot: {api}\n        orderly reboot: {application}");
    api.must_have_no_outage_longer_than(NOTICED)?;

    let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
    scenario.machine(NODES[2]).reboot()?;
    is_whole_again(&scenario)?;
    let (api, quorum) = (api.end()?, quorum.end()?);
    eprintln!("        power cut: {api}\n        both: {quorum}");
    api.must_have_no_outage_longer_than(NOTICED)?;
    quorum.must_have_no_outage_longer_than(NOTICED)?;

    scenario.machine(NODES[0]).must_be_untouched_since(&before)?;
    scenario.plan()?.must_be_empty()?;
    kubernetes::nodes_are_ready(&scenario, &NODES)?;
    kubernetes::pods_reach_each_other(&scenario, NODES.len())?;
    scenario.destroy()?;
    Ok(())
}

/// All members of etcd healthy, all nodes ready, the application complete.
fn is_whole_again(scenario: &Scenario) -> Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let members = scenario.healthy_members()?;
        let whole = kubernetes::nodes_are_ready(scenario, &NODES).and_then(|()| scenario.workload_is_whole());
        if members.len() == 3 && whole.is_ok() {
            return Ok(());
        }
        let late = std::time::Instant::now() >= deadline;
        ensure!(!late, "after {} s healthy members are {members:?}, and {whole:?}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(500));
    }
}
