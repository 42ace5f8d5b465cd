//! Looks at the world: one script per host, all at the same time, and then the Kubernetes API.

mod api;
mod certificates;
mod host;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use api::{ca_sha256, connect, connect_through, node_facts};
use futures::future::{join, join_all};
pub(crate) use host::observe_host;
use jiff::Timestamp;
use kubeone_hosts::Host;
use tokio::time::timeout;

use crate::cx::Hosts;
use crate::observed::{ApiState, HostState, Observed};
use crate::wanted::{Wanted, address_taken};

/// A host that says nothing for so long is not waited for; the script itself takes less than a second.
pub(crate) const HOST_PATIENCE: Duration = Duration::from_secs(30);

/// Looks at all hosts and at the API. What cannot be seen is part of the answer.
pub async fn observe(wanted: &Wanted, hosts: &Hosts) -> Observed {
    let (stay, mut leaving) = join(look(&hosts.wanted), look(&hosts.leaving)).await;
    let taken = wanted.leaving.iter().filter(|(_, leaving)| leaving.address_taken);
    leaving.extend(taken.map(|(name, _)| (name.clone(), address_taken())));
    let observed_at = now().to_string();
    let mut observed = Observed { observed_at, hosts: stay, leaving, api: ApiState::Absent };
    observed.api = api::observe_api(wanted, hosts, &observed).await;
    observed
}

async fn look(hosts: &BTreeMap<String, Arc<dyn Host>>) -> BTreeMap<String, HostState> {
    let looks = hosts.iter().map(async |(name, host)| {
        let state = match timeout(HOST_PATIENCE, observe_host(host.as_ref())).await {
            Ok(Ok(facts)) => HostState::Reached(Box::new(facts)),
            Ok(Err(error)) => HostState::Unreachable { reason: causes(&error) },
            Err(_) => HostState::Unreachable { reason: format!("no answer within {} s", HOST_PATIENCE.as_secs()) },
        };
        (name.clone(), state)
    });
    join_all(looks).await.into_iter().collect()
}

/// Now, to the second.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// An error and its causes in one line.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
