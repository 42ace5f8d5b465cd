//! Guards of destroy.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{assert_untouched, known, running, unprotected, with};
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};
use crate::testing::machine::Machine;

fn unprotected_and_strict() -> Json {
    with(|settings| settings["deletion"] = json!({ "protection": false, "unreachable_hosts": "fail" }))
}

/// `terraform apply -replace` gets there without a plan for the destruction.
#[tokio::test]
async fn a_protected_cluster_is_not_destroyed() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let by_plan = errors(instance.destroy().await.unwrap_err());
    let by_replacement = errors(instance.replace(settings()).await.unwrap_err());
    for said in [by_plan, by_replacement] {
        assert!(said[0].starts_with("cluster `prod` is protected against deletion"), "{said:?}");
    }
    assert_untouched(&fleet);
    assert_eq!(fleet.control_plane().locks(), 0);
    assert!(!instance.state.is_null());
}

/// The settings of the new cluster do not speak for the one that is there.
#[tokio::test]
async fn the_protection_that_counts_is_that_of_the_state() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let said = errors(instance.replace(unprotected()).await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` is protected against deletion"), "{said:?}");
    assert_untouched(&fleet);
}

/// Terraform destroys a cluster before its machines. Where none answers, it is seldom they that are gone.
#[tokio::test]
async fn a_cluster_that_nobody_can_see_is_not_forgotten() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &unprotected()).await;
    fleet.control_plane().falls_silent();
    fleet.worker().falls_silent();
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("no host of the cluster `prod` can be reached"), "{said:?}");
    assert!(!instance.state.is_null());
}

#[tokio::test]
async fn a_host_that_answers_and_refuses_is_not_left_behind() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &unprotected()).await;
    fleet.worker().begins_to_refuse();
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("w-1 answers but cannot be inspected"), "{said:?}");
    assert_untouched(&fleet);
    assert!(!instance.state.is_null());
}

#[tokio::test]
async fn silent_hosts_stop_a_destruction_when_the_settings_say_so() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &unprotected_and_strict()).await;
    fleet.worker().falls_silent();
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("w-1 cannot be reached"), "{said:?}");
    assert_untouched(&fleet);
    assert!(!instance.state.is_null());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_destroyed_while_somebody_else_works_on_the_cluster() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &unprotected()).await;
    fleet.control_plane().is_locked();
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` was not destroyed: ann on laptop"), "{said:?}");
    assert_untouched(&fleet);
    assert!(!instance.state.is_null());
}

/// The state names a cluster that is not there any more. The one in its place is left alone, down to its worker.
#[tokio::test]
async fn another_cluster_is_not_destroyed() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &unprotected()).await;
    instance.state.set(&"id".into(), "another");
    instance.destroy().await.unwrap();
    let warned: Vec<_> = instance.warnings.iter().map(|it| it.summary.as_str()).collect();
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned[0].starts_with("cp-1 is left alone: it belongs to another cluster with this name"), "{warned:?}");
    assert_untouched(&fleet);
}

fn resettable(machine: Machine) -> Machine {
    machine.with(|host| {
        host.answers("os/linux/reset_node.sh", "")
            .answers("os/debian/remove_packages.sh", "")
            .answers("os/linux/remove_configuration.sh", "")
    })
}

#[tokio::test]
async fn a_cluster_that_may_go_goes() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster);
    let fleet = fleet
        .with("10.0.0.11", resettable(Machine::node("cp-1", UID, &cluster, true)))
        .with("10.0.0.21", resettable(Machine::node("w-1", UID, &cluster, false)));
    let core = fleet.core().await;
    let mut instance = known(&core, &unprotected()).await;
    instance.destroy().await.unwrap();
    assert!(instance.state.is_null());
    assert!(instance.warnings.is_empty(), "{:?}", instance.warnings);
    let scripts = ["os/linux/reset_node.sh", "os/debian/remove_packages.sh", "os/linux/remove_configuration.sh"];
    let expected = ["cp-1", "w-1"].map(|host| scripts.map(|script| format!("{host}: {script}"))).concat();
    assert_eq!(fleet.touched(), expected);
    assert_eq!(fleet.control_plane().locks(), 2, "taken and given back");
}

/// What is left can be destroyed again only while Terraform knows of it.
#[tokio::test]
async fn a_cluster_of_which_something_is_left_stays_in_the_state() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster);
    let fleet = fleet.with("10.0.0.21", resettable(Machine::node("w-1", UID, &cluster, false)));
    let core = fleet.core().await;
    let mut instance = known(&core, &unprotected()).await;
    let before = instance.state.clone();
    let said = errors(instance.destroy().await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` was not destroyed: Failed in "), "{said:?}");
    assert_eq!((&instance.answered, &instance.state), (&before, &before));
}

#[tokio::test(start_paused = true)]
async fn a_destruction_ends_when_its_time_is_over() {
    let (_, fleet, core) = running().await;
    let hasty = with(|settings| {
        settings["deletion"] = json!({ "protection": false });
        settings["timeouts"] = json!({ "delete": "20s" });
    });
    let mut instance = known(&core, &hasty).await;
    fleet.control_plane().hangs();
    let ended = timeout(Duration::from_hours(24), instance.destroy()).await.expect("it has no end");
    let said = errors(ended.unwrap_err());
    assert!(said.iter().any(|it| it.contains("longer than 20s. Give it more time with `timeouts.delete`")), "{said:?}");
    assert!(!instance.state.is_null());
}
