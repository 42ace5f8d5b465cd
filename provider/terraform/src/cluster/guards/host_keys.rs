//! The SSH host keys of the state are pins on every way to a machine, and no unknown machine receives the cluster's keys
//! unsaid.

use serde_json::{Value as Json, json};
use tfplugin::{Diagnostic, Value};

use super::{assert_untouched, known, running, unprotected, with};
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, settings};
use crate::testing::machine::Machine;

const CP_1: &str = "ssh-ed25519 key-of-cp-1";
const W_1: &str = "ssh-ed25519 key-of-w-1";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn kept(state: &Value) -> Json {
    let keys = state.attribute("ssh_host_keys").as_map().cloned().unwrap_or_default();
    keys.into_iter().map(|(name, key)| (name, json!(key.as_str()))).collect::<serde_json::Map<_, _>>().into()
}

/// One more control plane, at an address where a fresh machine is.
fn grown() -> Json {
    with(|settings| settings["control_plane"]["cp-2"] = json!({ "address": "10.0.0.12", "instance_id": "3" }))
}

const UNVERIFIED: &str =
    "the identity of the machine behind cp-2 is unverified, and it will receive the keys of the cluster";

fn says_nobody(diagnostics: impl IntoIterator<Item = Diagnostic>) -> Vec<(bool, String)> {
    let about = diagnostics.into_iter().filter(|it| it.summary == UNVERIFIED);
    about.map(|it| (it.is_error(), it.path.map(|path| path.to_string()).unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_refresh_keeps_the_keys_and_everything_after_it_pins_them() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    assert_eq!(kept(&instance.state), json!({ "cp-1": CP_1, "w-1": W_1 }));
    assert_eq!(fleet.acquaintance("w-1").pinned, None, "the state was from before");
    assert_eq!(instance.plan(settings()).await.unwrap().state, instance.state, "that is no difference");

    fleet.forget();
    instance.refresh().await.unwrap();
    assert_eq!(fleet.acquaintance("w-1").pinned.as_deref(), Some(W_1), "refresh");
    fleet.forget();
    instance.apply(unprotected()).await.unwrap();
    assert_eq!(fleet.acquaintance("cp-1").pinned.as_deref(), Some(CP_1), "apply");
    assert_eq!(kept(&instance.state), json!({ "cp-1": CP_1, "w-1": W_1 }));
    fleet.forget();
    let _ = instance.destroy().await;
    assert_eq!(fleet.acquaintance("w-1").pinned.as_deref(), Some(W_1), "destroy");
}

/// It is met for the first time at the address of the old one; whatever is known there is about that.
#[tokio::test]
async fn a_new_machine_is_not_held_to_the_key_of_the_old_one() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster).with("10.0.0.22", Machine::bare("w-1"));
    let core = fleet.core().await;
    let mut instance = known(&core, &settings()).await;
    let replaced = with(|settings| settings["static_workers"]["w-1"]["instance_id"] = json!("another"));
    let planned = instance.plan(replaced.clone()).await.unwrap();
    assert_eq!(kept(&planned.state), json!({ "cp-1": CP_1 }));
    fleet.forget();
    let _ = instance.apply(replaced).await;
    let acquaintance = fleet.acquaintance("w-1");
    assert_eq!((acquaintance.pinned, acquaintance.replaced), (None, vec![W_1.to_owned()]));

    let elsewhere = with(|settings| {
        settings["static_workers"]["w-1"] = json!({ "address": "10.0.0.22", "instance_id": "a third" });
    });
    fleet.forget();
    let _ = instance.apply(elsewhere).await;
    assert_eq!(fleet.farewell("w-1").pinned.as_deref(), Some(W_1), "the one that leaves keeps its own");
}

#[tokio::test]
async fn an_unverified_control_plane_is_told_of_or_refused() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster).with("10.0.0.12", Machine::bare("cp-2"));
    let core = fleet.core().await;
    let instance = known(&core, &settings()).await;
    let path = "control_plane[\"cp-2\"].ssh_host_key".to_owned();
    let planned = instance.plan(grown()).await.unwrap();
    assert_eq!(says_nobody(planned.diagnostics), [(false, path.clone())]);
    let mut stated = grown();
    stated["control_plane"]["cp-2"]["ssh_host_key"] = json!(KEY);
    let planned = instance.plan(stated.clone()).await.unwrap();
    assert_eq!(says_nobody(planned.diagnostics), []);
    // A worker receives no keys.
    let worker = with(|settings| settings["static_workers"]["w-2"] = json!({ "address": "10.0.0.12" }));
    assert_eq!(says_nobody(instance.plan(worker).await.unwrap().diagnostics), []);

    let strict = fleet.core_with(json!({ "user": "root", "unpinned_control_plane": "refuse" })).await;
    let mut instance = known(&strict, &settings()).await;
    let refused = crate::testing::fleet::reported(instance.plan(grown()).await.unwrap_err());
    assert_eq!(says_nobody(refused), [(true, path)]);
    assert!(instance.plan(stated).await.is_ok());
    let said = errors(instance.apply(grown()).await.unwrap_err());
    assert!(said[0].starts_with(UNVERIFIED), "{said:?}");
    assert_untouched(&fleet);
}

/// At plan its address is not known, and neither is what it will show.
#[tokio::test]
async fn a_control_plane_that_is_not_made_yet_is_told_of_too() {
    let (_, _, core) = running().await;
    let instance = known(&core, &settings()).await;
    let plan = async |settings: Json, unknown: &[&str]| {
        let mut config = Value::from(settings);
        for field in unknown {
            let path = tfplugin::AttributePath::new("control_plane").key("cp-2").attribute(*field);
            assert!(config.set(&path, Value::unknown()), "{field}");
        }
        instance.plan(config).await.unwrap()
    };
    let planned = plan(grown(), &["address", "instance_id"]).await;
    assert_eq!(says_nobody(planned.diagnostics).len(), 1);
    let mut stated = grown();
    stated["control_plane"]["cp-2"]["ssh_host_key"] = json!("x");
    let planned = plan(stated, &["address", "instance_id", "ssh_host_key"]).await;
    assert_eq!(says_nobody(planned.diagnostics), []);
    // The only control plane is about to be another machine, so the steps are not known.
    let replaced = with(|settings| {
        settings["control_plane"] = json!({ "cp-2": { "address": "10.0.0.12", "instance_id": "3" } });
        settings["roll_control_plane"] = json!(true);
    });
    let planned = plan(replaced, &["address", "instance_id"]).await;
    assert_eq!(says_nobody(planned.diagnostics).len(), 1);
}
