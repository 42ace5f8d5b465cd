//! Somebody took the member of a control plane out of etcd. The plan shows that this host joins again, and nothing else;
//! etcd keeps its quorum.

use std::time::Duration;

use acceptance_tests::scenario::{Programs, Scenario};
use acceptance_tests::terraform::Attribute;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::change::Change;

const STAY: [&str; 2] = ["control-plane-1", "control-plane-2"];
const LOST: &str = "control-plane-3";
const PATIENCE: Duration = Duration::from_mins(1);

/// A member that was taken out ends, and ends again whenever the kubelet starts it.
const MEMBER_IS_SILENT: &str = "
    pki=/etc/kubernetes/pki/etcd
    ! curl --silent --fail --max-time 1 --output /dev/null --cacert $pki/ca.crt --cert $pki/server.crt \
        --key $pki/server.key https://127.0.0.1:2379/health";

pub(crate) fn run(programs: &Programs) -> Result<()> {
    let mut scenario = Scenario::of_local_example("member-repaired", programs)?;
    scenario.terraform.set_variable("control_planes", "3");
    scenario.terraform.set_variable("workers", "0");
    scenario.apply()?;

    let list = scenario.machine(STAY[0]).ask_etcd("cluster/member/list", "{}")?;
    let members = list["members"].as_array().context("etcd names its members")?;
    let member = members.iter().find(|member| member["name"] == LOST).context("it has a member")?;
    let id = member["ID"].as_str().context("a member has an id")?;
    scenario.machine(STAY[0]).ask_etcd("cluster/member/remove", &format!("{{\"ID\":\"{id}\"}}"))?;
    scenario.machine(LOST).wait_until("the end of the member", PATIENCE, MEMBER_IS_SILENT)?;
    ensure!(scenario.voting_members()? == STAY, "the voting members are {:?}", scenario.voting_members()?);

    let Attribute::Known(steps) = scenario.plan()?.attribute("kubeone_cluster.this", "/planned_steps")? else {
        bail!("the plan does not show its steps");
    };
    let of_hosts: Vec<_> = steps.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let of_hosts: Vec<_> = of_hosts.into_iter().filter(|step| !step.starts_with("cluster: wait until")).collect();
    ensure!(
        of_hosts == ["control-plane-3: join control plane (its etcd member is missing)"],
        "the plan shows {steps:#}"
    );

    let change = Change::begin(&scenario, "a member of etcd is made again")?;
    let run = scenario.apply()?;
    change.end(&scenario, &run, &STAY)?;
    scenario.etcd_is_whole()?;
    scenario.all_hosts_are_ready_nodes()?;
    scenario.only_cordoned(&[])
}
