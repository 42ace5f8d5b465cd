//! Guards of refresh and import: what is silent for a moment is not gone, and what is looked at is not touched.

use serde_json::json;
use tfplugin::{ImportTarget, Value};

use super::{assert_untouched, known, running, unprotected, until, with};
use crate::connection::Purpose;
use crate::private;
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};
use crate::testing::state_of;

#[tokio::test(start_paused = true)]
async fn machines_out_of_reach_do_not_make_a_cluster_gone() {
    let cluster = FakeCluster::new(UID);
    for hangs in [false, true] {
        let fleet = Fleet::running(&cluster);
        let core = fleet.core().await;
        let mut instance = known(&core, &settings()).await;
        let before = (instance.state.clone(), instance.private.clone());
        for machine in [fleet.control_plane(), fleet.worker()] {
            if hangs {
                machine.hangs();
            } else {
                machine.falls_silent();
            }
        }
        let told: Vec<_> = instance.refresh().await.unwrap().into_iter().collect();
        assert_eq!(told[0].summary, "cluster `prod` could not be looked at");
        assert_eq!((&instance.state, &instance.private), (&before.0, &before.1));
    }
}

/// `timeouts.read` is less than what a single host is given.
#[tokio::test(start_paused = true)]
async fn a_look_ends_when_its_time_is_over() {
    let (_, fleet, core) = running().await;
    let hasty = with(|settings| settings["timeouts"] = json!({ "read": "3s" }));
    let mut instance = known(&core, &hasty).await;
    fleet.worker().hangs();
    let began = tokio::time::Instant::now();
    let told: Vec<_> = instance.refresh().await.unwrap().into_iter().collect();
    assert!(told[0].detail.contains("did not answer within 3s"), "{told:?}");
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(!instance.state.is_null());
}

#[tokio::test]
async fn a_look_can_be_interrupted() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let before = instance.state.clone();
    fleet.worker().hangs();
    let looks = fleet.control_plane().looks();
    let interrupt = async {
        until(|| fleet.control_plane().looks() > looks).await;
        core.interrupt().await.unwrap();
    };
    let (told, ()) = tokio::join!(instance.refresh(), interrupt);
    assert!(told.unwrap().is_empty());
    assert_eq!(instance.state, before);
}

#[tokio::test]
async fn machines_that_were_made_anew_carry_no_cluster() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    fleet.control_plane().becomes_bare();
    fleet.worker().becomes_bare();
    instance.refresh().await.unwrap();
    assert!(instance.state.is_null());
}

#[tokio::test]
async fn another_cluster_in_its_place_does_not_get_into_the_state() {
    let (_, fleet, core) = running().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    instance.state = state_of(&settings());
    instance.state.set(&"id".into(), "another");
    let before = instance.state.clone();
    let told: Vec<_> = instance.refresh().await.unwrap().into_iter().collect();
    assert_eq!(told[0].summary, "cluster `prod` was not found");
    assert_eq!(instance.state.attribute("id"), before.attribute("id"));
    assert_eq!(instance.state.attribute("nodes"), before.attribute("nodes"));
    assert_untouched(&fleet);
}

#[tokio::test]
async fn without_settings_that_are_known_nothing_is_looked_at() {
    let fleet = Fleet::bare();
    let core = fleet.unconfigured().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    instance.state = state_of(&settings());
    assert!(instance.refresh().await.unwrap().is_empty());
    assert_eq!(instance.state, state_of(&settings()));
    assert_eq!(fleet.connections(), []);
    let said = errors(instance.import(ImportTarget::Id("10.0.0.11".to_owned())).await.unwrap_err());
    assert!(said[0].starts_with("the cluster cannot be imported"), "{said:?}");
}

/// Until something was applied, the cluster is one that another tool made, however often it is looked at.
#[tokio::test]
async fn an_import_is_remembered_until_the_first_apply() {
    let (_, _, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    assert!(!private::is_imported(&instance.private));
    let observed = private::decode(&instance.private).unwrap();
    instance.private = private::encode_imported(&observed).unwrap();
    instance.refresh().await.unwrap();
    assert!(private::is_imported(&instance.private), "a look changes nothing");
    instance.apply(unprotected()).await.unwrap();
    assert!(!private::is_imported(&instance.private));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_control_plane_is_not_imported() {
    let (_, fleet, core) = running().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    let by_identity = ImportTarget::Identity(Value::Null);
    assert!(errors(instance.import(by_identity).await.unwrap_err())[0].contains("does not say where the cluster is"));
    let mut import = async |id: &str| errors(instance.import(ImportTarget::Id(id.to_owned())).await.unwrap_err());
    assert!(import("root:secret@10.0.0.11").await[0].contains("Write the address of any of its control planes"));
    let said = import("10.0.0.21").await;
    assert!(said[0].contains("there is no /etc/kubernetes/admin.conf"), "{said:?}");
    assert!(said[0].contains("Write the address of one of the cluster's control planes."), "{said:?}");
    assert!(said[0].contains("Nothing was changed on any host."), "{said:?}");
    assert_eq!(fleet.connections(), [("10.0.0.21".to_owned(), Purpose::Work)]);
    fleet.worker().hangs();
    let said = import("10.0.0.21").await;
    assert!(said[0].contains("did not answer within 60 s"), "{said:?}");
    assert_untouched(&fleet);
}
