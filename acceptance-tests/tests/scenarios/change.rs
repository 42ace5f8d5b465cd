//! A change of a running cluster, and what it cost: time, hosts, SSH logins, requests that got no answer.

use std::collections::BTreeMap;

use acceptance_tests::lab::host;
use acceptance_tests::scenario::{Probe, Request, Scenario, Traces};
use acceptance_tests::terraform::Run;
use anyhow::{Context, Result, ensure};

/// The refresh, the apply, and the plan after it each look at a host that stays as it is.
const MOST_LOGINS: usize = 3;

/// A change under way.
pub(crate) struct Change {
    what: &'static str,
    before: BTreeMap<String, Before>,
    /// Of the API and of etcd's quorum.
    probes: Option<(Probe, Probe)>,
}

/// A host as it was.
struct Before {
    instance_id: String,
    traces: Traces,
    logins: usize,
}

impl Change {
    /// Remembers how all hosts are that run, and begins to ask.
    pub(crate) fn begin(scenario: &Scenario, what: &'static str) -> Result<Self> {
        let change = Self::begin_without_probes(scenario, what)?;
        let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
        Ok(Self { probes: Some((api, scenario.probe_quorum()?)), ..change })
    }

    /// The same without a question to the cluster, for whoever asks it or expects no answer.
    pub(crate) fn begin_without_probes(scenario: &Scenario, what: &'static str) -> Result<Self> {
        let mut before = BTreeMap::new();
        for host in host::list(scenario.lab())? {
            let machine = scenario.machine(&host.name);
            if machine.is_on()? {
                let (traces, logins) = (machine.traces()?, machine.ssh_logins()?);
                before.insert(host.name, Before { instance_id: host.instance_id, traces, logins });
            }
        }
        Ok(Self { what, before, probes: None })
    }

    /// Passes when the hosts that stay are as they were and were looked at no more than is needed, and, where somebody
    /// asked, etcd never lost its quorum and the API answered. Prints what it cost.
    pub(crate) fn end(self, scenario: &Scenario, run: &Run, stay: &[&str]) -> Result<()> {
        let Self { what, before, probes } = self;
        let probes = probes.map(|(api, quorum)| anyhow::Ok((api.end()?, quorum.end()?))).transpose()?;
        let mut changes = BTreeMap::new();
        let mut logins = BTreeMap::new();
        for host in host::list(scenario.lab())? {
            let machine = scenario.machine(&host.name);
            let before = before.get(&host.name).filter(|before| before.instance_id == host.instance_id);
            let earlier = before.map_or(0, |before| before.logins);
            logins.insert(host.name.clone(), machine.ssh_logins()?.saturating_sub(earlier));
            let made = || vec!["it is new".to_owned()];
            let traces = machine.traces()?;
            changes.insert(host.name, before.map_or_else(made, |before| before.traces.changes_to(&traces)));
        }
        let touched = changes.values().filter(|changes| !changes.is_empty()).count();
        let told: Vec<_> = logins.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let (seconds, all) = (run.duration.as_secs_f64(), changes.len());
        eprintln!("        {what}: {seconds:.1} s; {touched} of {all} hosts touched; SSH logins: {}", told.join(", "));
        if let Some((api, quorum)) = &probes {
            eprintln!("        {what}: {api}; {quorum}");
        }
        for name in stay {
            let changes = changes.get(*name).with_context(|| format!("`{name}` is not there"))?;
            ensure!(changes.is_empty(), "`{name}` was touched: {}", changes.join(", "));
            let logins = logins[*name];
            ensure!(logins <= MOST_LOGINS, "somebody logged in to `{name}` {logins} times, which had nothing to do");
        }
        if let Some((api, quorum)) = probes {
            quorum.must_have_no_outage().context("etcd lost its quorum")?;
            ensure!(api.unanswered * 1000 <= api.asked * 10, "more than 1 % of all requests failed: {api}");
        }
        Ok(())
    }
}
