//! Guards of destroy.

use super::{assert_untouched, known};
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};

/// `terraform apply -replace` gets there without a plan for the destruction.
#[tokio::test]
async fn a_protected_cluster_is_not_destroyed() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster);
    let core = fleet.core().await;
    let mut instance = known(&core, &settings()).await;
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` is protected against deletion"), "{said:?}");
    assert_untouched(&fleet);
    assert!(!instance.state.is_null());
}
