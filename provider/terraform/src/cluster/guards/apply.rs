//! Guards of create and update.

use serde_json::json;

use super::{assert_untouched, known, with};
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};

/// Nothing but the fixtures themselves: a cluster that is as wanted has nothing to be done.
#[tokio::test]
async fn a_cluster_that_is_as_wanted_is_left_alone() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster);
    let core = fleet.core().await;
    let mut instance = known(&core, &settings()).await;
    let planned = instance.plan(settings()).await.unwrap();
    assert_eq!(planned.state, instance.state);
    let protected = with(|settings| settings["deletion"] = json!({ "protection": false }));
    instance.apply(protected).await.unwrap();
    assert_untouched(&fleet);
    assert_eq!(cluster.writes(), [""; 0]);
    let _ = errors;
}
