//! Every refusal that guards data, asked for through the protocol as Terraform asks, against machines that note what is
//! done to them. A rule that is right and never called guards nothing.

mod apply;
mod credentials;
mod host_keys;
mod read;
mod remove;

use std::time::Duration;

use serde_json::{Value as Json, json};
use tfplugin::simulator::{Core, Instance};
use tfplugin::{AttributePath, Value};
use tokio::time::timeout;

use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, settings};
use crate::testing::state_of;

/// A cluster that is as wanted, its machines, and the provider that reaches them.
async fn running() -> (FakeCluster, Fleet, Core) {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster);
    let core = fleet.core().await;
    (cluster, fleet, core)
}

/// The cluster of these settings as Terraform knows it after a refresh.
async fn known<'core>(core: &'core Core, settings: &Json) -> Instance<'core> {
    let mut cluster = core.resource("kubeone_cluster").unwrap();
    cluster.state = state_of(settings);
    let told = cluster.refresh().await.unwrap();
    assert!(told.is_empty(), "{told:?}");
    cluster
}

fn with(change: impl FnOnce(&mut Json)) -> Json {
    let mut settings = settings();
    change(&mut settings);
    settings
}

/// The settings without the cluster's protection.
fn unprotected() -> Json {
    with(|settings| settings["deletion"] = json!({ "protection": false }))
}

fn setting<'a>(cluster: &'a Instance<'_>, name: &str, attribute: &str) -> Option<&'a Value> {
    cluster.state.get(&AttributePath::new(name).attribute(attribute))
}

/// Waits without holding up a clock that stands still until all tasks wait.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        let _ = timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
    }
    panic!("what the test waits for never came");
}

#[track_caller]
fn assert_untouched(fleet: &Fleet) {
    assert_eq!(fleet.touched(), [""; 0]);
}
