//! A change of a running cluster, and what it cost: time, hosts, SSH logins, requests that got no answer.

use std::collections::BTreeMap;

use acceptance_tests::lab::host;
use acceptance_tests::scenario::{Probe, Request, Scenario, Traces};
use acceptance_tests::terraform::Run;
use anyhow::{Context, Result, ensure};

/// A change under way.
pub(crate) struct Change {
    what: &'static str,
    before: BTreeMap<String, (Traces, usize)>,
    api: Probe,
    quorum: Probe,
}

impl Change {
    /// Remembers how all hosts are that run, and begins to ask.
    pub(crate) fn begin(scenario: &Scenario, what: &'static str) -> Result<Self> {
        let mut before = BTreeMap::new();
        for host in host::list(scenario.lab())? {
            let machine = scenario.machine(&host.name);
            if machine.is_on()? {
                before.insert(host.name.clone(), (machine.traces()?, machine.ssh_logins()?));
            }
        }
        let api = scenario.probe_api(Request::Administrator("/api/v1/namespaces/kube-system"))?;
        Ok(Self { what, before, api, quorum: scenario.probe_quorum()? })
    }

    /// Passes when the hosts that stay are as they were, and etcd never lost its quorum. Prints what it cost.
    pub(crate) fn end(self, scenario: &Scenario, run: &Run, stay: &[&str]) -> Result<()> {
        let (api, quorum) = (self.api.end()?, self.quorum.end()?);
        let mut logins = Vec::new();
        for host in host::list(scenario.lab())? {
            let machine = scenario.machine(&host.name);
            let before = self.before.get(&host.name);
            let is_same = before.is_some() && stay.contains(&host.name.as_str());
            let before = before.filter(|_| is_same).map_or(0, |(_, logins)| *logins);
            logins.push(format!("{} {}", host.name, machine.ssh_logins()?.saturating_sub(before)));
        }
        let seconds = run.duration.as_secs_f64();
        eprintln!("        {}: {seconds:.1} s; SSH logins: {}; {api}; {quorum}", self.what, logins.join(", "));
        for name in stay {
            let (traces, _) = self.before.get(*name).with_context(|| format!("`{name}` was not there before"))?;
            scenario.machine(name).must_be_untouched_since(traces)?;
        }
        quorum.must_have_no_outage().context("etcd lost its quorum")?;
        ensure!(api.unanswered * 1000 <= api.asked * 10, "more than 1 % of all requests failed: {api}");
        Ok(())
    }
}
