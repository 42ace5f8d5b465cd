//! Looks at the world: one script per host, all at the same time, and then the Kubernetes API.

mod api;
mod certificates;
mod host;
mod limits;
mod manifests;
mod trust;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use api::{ca_sha256, connect, connect_through, connect_to_begun, connect_to_new, node_facts};
pub(crate) use certificates::sha256_of_der;
use futures::future::{join, join_all};
pub(crate) use host::observe_host;
use jiff::Timestamp;
use kubeone_facts::{ApiState, HostState, Observed};
use kubeone_hosts::Host;
use kubeone_plan::wanted::{Wanted, address_taken};
pub(crate) use limits::is_snapshot;
pub(crate) use trust::ADMIN_CONF;
pub(crate) use trust::CA_CERTIFICATE;

use crate::error::StepError;
use crate::machines::Hosts;

/// A host that was reached and says nothing for so long is not waited for; the script itself takes less than a second, and
/// up to 20 s more on a host that started a moment ago.
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
    let looks = hosts.iter().map(async |(name, host)| (name.clone(), look_at(host.as_ref()).await));
    join_all(looks).await.into_iter().collect()
}

async fn look_at(host: &dyn Host) -> HostState {
    // How long a host may take to be there is a setting, so that time is not the script's.
    if let Err(error) = host.connect().await {
        return unseen(&error.into());
    }
    match observe_host(host).await {
        Ok(facts) => HostState::Reached(Box::new(facts)),
        Err(error) => unseen(&error),
    }
}

/// A host that does not answer may be gone. One that refuses us is there, with whatever it carries.
fn unseen(error: &StepError) -> HostState {
    let reason = causes(error);
    match error {
        StepError::Host(error) if error.is_unreachable() => HostState::Unreachable { reason },
        _ => HostState::Refuses { reason },
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use kubeone_hosts::{FakeHost, HostError, Output, Script, Stream};
    use tokio::time::timeout;

    use super::*;

    const SCRIPT: &str = "os/linux/observe.sh";

    /// A machine that boots for four minutes.
    struct Booting {
        host: FakeHost,
        is_up: AtomicBool,
    }

    #[async_trait]
    impl Host for Booting {
        fn name(&self) -> &str {
            self.host.name()
        }

        fn host_key(&self) -> Option<String> {
            self.host.host_key()
        }

        async fn connect(&self) -> Result<(), HostError> {
            if !self.is_up.swap(true, Ordering::Relaxed) {
                let _ = timeout(Duration::from_mins(4), std::future::pending::<()>()).await;
            }
            self.host.connect().await
        }

        async fn run(&self, script: &Script) -> Result<Output, HostError> {
            self.connect().await?;
            self.host.run(script).await
        }

        async fn tunnel(&self, address: &str, port: u16) -> Result<Box<dyn Stream>, HostError> {
            self.host.tunnel(address, port).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_boots_has_the_time_that_the_settings_give_it() {
        let host = FakeHost::new("cp-1").answers(SCRIPT, r#"{"marker":"","etcd_members":""}"#);
        let state = look_at(&Booting { host, is_up: AtomicBool::new(false) }).await;
        assert!(matches!(state, HostState::Reached(_)), "{state:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_that_hangs_is_not_waited_for() {
        let state = look_at(&FakeHost::new("cp-1").hangs(SCRIPT)).await;
        let HostState::Refuses { reason } = state else { panic!("{state:?}") };
        assert!(
            reason.contains("[cp-1] unusable answer of `os/linux/observe.sh`: it was not done within 30 s"),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn a_host_that_talks_without_end_is_named() {
        let printed = format!(r#"{{"marker":"{}","etcd_members":""}}"#, "x".repeat(5 << 20));
        let state = look_at(&FakeHost::new("cp-1").answers(SCRIPT, printed)).await;
        let HostState::Refuses { reason } = state else { panic!("{state:?}") };
        assert!(
            reason.contains("[cp-1] unusable answer of `os/linux/observe.sh`: it printed more than 4194304"),
            "{reason}"
        );
    }

    /// Whoever destroys a cluster may leave silent machines behind, and no others.
    #[tokio::test]
    async fn silence_is_no_refusal() {
        let silent = [FakeHost::new("cp-1").unreachable(), FakeHost::new("cp-1").loses_connection(SCRIPT)];
        for host in silent {
            let state = look_at(&host).await;
            assert!(matches!(state, HostState::Unreachable { .. }), "{state:?}");
        }
        let refusing = [
            FakeHost::new("cp-1").fails(SCRIPT, 1, "no space left"),
            FakeHost::new("cp-1").answers(SCRIPT, r#"{"marker":"#),
        ];
        for host in refusing {
            let state = look_at(&host).await;
            assert!(matches!(state, HostState::Refuses { .. }), "{state:?}");
        }
        let rejected = HostError::Auth {
            host: "cp-1".to_owned(),
            user: "root".to_owned(),
            tried: Vec::new(),
            banner: String::new(),
        };
        assert!(matches!(unseen(&rejected.into()), HostState::Refuses { .. }));
    }
}
