//! Guards of create and update.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tfplugin::simulator::Instance;
use tfplugin::{AttributePath, Value};
use tokio::time::timeout;

use super::{assert_untouched, known, running, setting, unprotected, until, with};
use crate::connection::Purpose;
use crate::testing::api::FakeCluster;
use crate::testing::fleet::{Fleet, UID, errors, reported, settings};
use crate::testing::machine::Machine;

/// The cluster with work on its worker.
fn labeled() -> Json {
    with(|settings| settings["static_workers"]["w-1"]["labels"] = json!({ "pool": "general" }))
}

/// A create that failed has left nothing that Terraform would taint.
#[track_caller]
fn assert_no_state(instance: &Instance<'_>) {
    assert!(instance.state.is_null() && !instance.tainted);
}

/// A cluster that is as wanted has nothing to be done. Without this, none of the rest would prove anything.
#[tokio::test]
async fn a_cluster_that_is_as_wanted_is_left_alone() {
    let (cluster, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    assert_eq!(instance.plan(settings()).await.unwrap().state, instance.state);
    instance.apply(unprotected()).await.unwrap();
    assert_eq!(setting(&instance, "deletion", "protection"), Some(&Value::from(false)));
    assert!(instance.warnings.is_empty(), "{:?}", instance.warnings);
    assert_untouched(&fleet);
    assert_eq!(cluster.writes(), [""; 0]);
}

/// The machines were replaced between plan and apply: a new and empty cluster would be made, and called an update.
#[tokio::test]
async fn a_cluster_that_is_gone_is_not_made_anew() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let before = instance.state.clone();
    fleet.control_plane().becomes_bare();
    fleet.worker().becomes_bare();
    let said = errors(instance.apply(labeled()).await.unwrap_err());
    assert!(said[0].starts_with("the cluster `prod` is gone, and the plan was made while it was there"), "{said:?}");
    assert_untouched(&fleet);
    assert_eq!(instance.state, before);
}

/// Whoever wants to destroy what is left has to lose the protection first. That is done with the state alone.
#[tokio::test]
async fn a_cluster_that_is_gone_can_lose_its_protection() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let before = instance.state.clone();
    fleet.control_plane().becomes_bare();
    fleet.worker().falls_silent();
    instance.apply(unprotected()).await.unwrap();
    assert!(instance.warnings.iter().any(|it| it.detail.contains("it is left as it is")), "{:?}", instance.warnings);
    assert_eq!(setting(&instance, "deletion", "protection"), Some(&Value::from(false)));
    assert_eq!(instance.state.attribute("id"), before.attribute("id"));
    assert_untouched(&fleet);
}

/// The same with the protection on: then it stays an error.
#[tokio::test]
async fn a_protected_cluster_that_is_gone_is_an_error() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    fleet.control_plane().becomes_bare();
    fleet.worker().becomes_bare();
    let longer = with(|settings| settings["timeouts"] = json!({ "lock": "1s", "update": "3h" }));
    let said = errors(instance.apply(longer).await.unwrap_err());
    assert!(said[0].starts_with("the cluster `prod` is gone"), "{said:?}");
    assert_eq!(setting(&instance, "timeouts", "update"), Some(&Value::from("3h")), "it needs no host");
    assert_untouched(&fleet);
}

#[tokio::test]
async fn machines_of_somebody_else_stop_a_create_before_it_begins() {
    let marked = |name: &str, of: &str| {
        let machine = Machine::node(name, "another", &FakeCluster::new("another"), false);
        machine.change(|facts| facts.marker.as_mut().unwrap().cluster = of.to_owned());
        machine
    };
    let unmarked = Machine::node("w-1", "another", &FakeCluster::new("another"), false);
    unmarked.change(|facts| facts.marker = kubeone_facts::MarkerFile::Absent);
    let cases = [
        (marked("w-1", "staging"), "w-1 is refused: it belongs to the cluster `staging`"),
        (unmarked, "w-1 is refused: it runs Kubernetes that this provider did not install"),
    ];
    for (worker, expected) in cases {
        let fleet = Fleet::bare().with("10.0.0.21", worker);
        let core = fleet.core().await;
        let mut instance = core.resource("kubeone_cluster").unwrap();
        let said = errors(instance.apply(settings()).await.unwrap_err());
        assert!(said[0].starts_with(expected), "{said:?}");
        assert_untouched(&fleet);
        assert_no_state(&instance);
    }
}

/// The state names another cluster than the one that is there.
#[tokio::test]
async fn another_cluster_of_this_name_is_not_changed() {
    let (cluster, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    instance.state.set(&"id".into(), "another");
    instance.private = Vec::new();
    let said = errors(instance.apply(labeled()).await.unwrap_err());
    assert!(said.iter().any(|it| it.contains("another cluster with this name, uid uid")), "{said:?}");
    assert_untouched(&fleet);
    assert_eq!(cluster.writes(), [""; 0]);
}

#[tokio::test]
async fn work_on_a_machine_out_of_reach_stops_all_work() {
    for refuses in [false, true] {
        let fleet = Fleet::bare();
        if refuses {
            fleet.worker().begins_to_refuse();
        } else {
            fleet.worker().falls_silent();
        }
        let core = fleet.core().await;
        let mut instance = core.resource("kubeone_cluster").unwrap();
        let said = errors(instance.apply(settings()).await.unwrap_err());
        assert!(said[0].starts_with("w-1 cannot be reached: ") && said.len() == 1, "{said:?}");
        assert_untouched(&fleet);
        assert_no_state(&instance);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_while_somebody_else_works_on_the_cluster() {
    let (cluster, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    fleet.control_plane().is_locked();
    let looks = fleet.worker().looks();
    let said = errors(instance.apply(labeled()).await.unwrap_err());
    assert!(
        said[0].starts_with("cluster `prod` was not updated: ann on laptop (process 7, update) works on"),
        "{said:?}"
    );
    assert!(said[0].contains("for 1m30s now, and was last heard of 3 s ago on cp-1"), "{said:?}");
    assert_eq!(fleet.worker().looks(), looks, "hosts are looked at only under the lock");
    assert_untouched(&fleet);
    assert_eq!(cluster.writes(), [""; 0]);
}

#[tokio::test]
async fn the_lock_is_taken_before_the_work_and_given_back_after_it() {
    let fleet = Fleet::bare();
    let core = fleet.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    reported(instance.apply(settings()).await.unwrap_err());
    assert_eq!(fleet.control_plane().locks(), 2);
    assert_eq!(fleet.worker().locks(), 0);
}

/// A second Ctrl-C kills the provider, so the first must not wait for an hour.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_lock_can_be_interrupted() {
    let fleet = Fleet::bare();
    fleet.control_plane().is_locked();
    let core = fleet.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    let patient = with(|settings| settings["timeouts"] = json!({ "lock": "24h", "create": "48h" }));
    let began = tokio::time::Instant::now();
    let interrupt = async {
        until(|| fleet.control_plane().locks() > 0).await;
        core.interrupt().await.unwrap();
    };
    let (result, ()) = tokio::join!(instance.apply(patient), interrupt);
    let said = errors(result.unwrap_err());
    assert!(said[0].contains("Interrupted while another apply on this cluster was waited for"), "{said:?}");
    assert!(began.elapsed() < Duration::from_mins(10));
    assert_no_state(&instance);
}

/// What was begun comes to its end, and nothing else begins.
#[tokio::test(start_paused = true)]
async fn no_further_step_begins_after_an_interruption() {
    let fleet = Fleet::bare();
    fleet.control_plane().becomes_slow();
    let core = fleet.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    let interrupt = async {
        until(|| fleet.control_plane().looks() > 0).await;
        core.interrupt().await.unwrap();
    };
    let (result, ()) = tokio::join!(instance.apply(settings()), interrupt);
    let said = errors(result.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` was not created: Interrupted in stage 1"), "{said:?}");
    assert_untouched(&fleet);
}

#[tokio::test(start_paused = true)]
async fn an_operation_ends_when_its_time_is_over() {
    let cluster = FakeCluster::new(UID);
    for is_create in [true, false] {
        let fleet = if is_create { Fleet::bare() } else { Fleet::running(&cluster) };
        let core = fleet.core().await;
        let mut instance = core.resource("kubeone_cluster").unwrap();
        if !is_create {
            instance = known(&core, &settings()).await;
        }
        fleet.control_plane().hangs();
        let mut hasty = labeled();
        hasty["timeouts"] = if is_create { json!({ "create": "20s" }) } else { json!({ "update": "21s" }) };
        let began = tokio::time::Instant::now();
        let ended = timeout(Duration::from_hours(24), instance.apply(hasty)).await.expect("it has no end");
        let said = errors(ended.unwrap_err());
        let attribute = if is_create {
            "longer than 20s. Give it more time with `timeouts.create`"
        } else {
            "longer than 21s. Give it more time with `timeouts.update`"
        };
        assert!(said.iter().any(|it| it.contains(attribute)), "{said:?}");
        assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
    }
}

/// Terraform would taint what a failed create leaves, and destroy the half-built cluster.
#[tokio::test]
async fn a_failed_create_leaves_no_state() {
    let fleet = Fleet::bare();
    let core = fleet.core().await;
    let mut instance = core.resource("kubeone_cluster").unwrap();
    let said = errors(instance.apply(settings()).await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` was not created: Failed in "), "{said:?}");
    assert_eq!(fleet.touched(), ["cp-1: os/linux/keep_originals.sh", "w-1: os/linux/keep_originals.sh"]);
    assert_no_state(&instance);
}

/// Everything that was to be done is shown again by the next plan.
#[tokio::test]
async fn a_failed_update_keeps_the_values_before() {
    let (cluster, _, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let before = instance.state.clone();
    let mut wanted = labeled();
    wanted["deletion"] = json!({ "protection": false });
    let said = errors(instance.apply(wanted).await.unwrap_err());
    assert!(said[0].starts_with("cluster `prod` was not updated: Failed in "), "{said:?}");
    assert_eq!(cluster.writes(), ["PATCH /api/v1/nodes/w-1"]);
    assert_eq!(setting(&instance, "deletion", "protection"), Some(&Value::from(false)));
    for name in ["static_workers", "id", "planned_steps"] {
        assert_eq!(instance.state.attribute(name), before.attribute(name), "{name}");
    }
}

#[tokio::test]
async fn a_machine_that_did_not_begin_to_join_is_not_in_the_state() {
    let cluster = FakeCluster::new(UID);
    let fleet = Fleet::running(&cluster).with("10.0.0.22", Machine::bare("w-2"));
    let core = fleet.core().await;
    let mut instance = known(&core, &settings()).await;
    let before = instance.state.clone();
    let grown = with(|settings| settings["static_workers"]["w-2"] = json!({ "address": "10.0.0.22" }));
    reported(instance.apply(grown).await.unwrap_err());
    assert_eq!(fleet.touched(), ["w-2: os/linux/keep_originals.sh"]);
    assert_eq!(instance.state.attribute("static_workers"), before.attribute("static_workers"));
}

/// What the plan has told already is not told again, and what is new is.
#[tokio::test]
async fn warnings_are_told_once() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    fleet.worker().falls_silent();
    instance.apply(unprotected()).await.unwrap();
    let warned: Vec<_> = instance.warnings.iter().map(|it| it.summary.as_str()).collect();
    assert!(warned.len() == 1 && warned[0].starts_with("w-1 cannot be reached"), "{warned:?}");
    let planned = instance.plan(settings()).await.unwrap();
    assert_eq!(planned.diagnostics.iter().count(), 1);
    instance.apply(settings()).await.unwrap();
    assert!(instance.warnings.is_empty(), "the plan has told it: {:?}", instance.warnings);
}

#[tokio::test]
async fn without_settings_that_are_known_nothing_is_worked_on() {
    let fleet = Fleet::bare();
    let core = fleet.unconfigured().await;
    core.configure(Value::object([("ssh", Value::object([("private_key", Value::unknown())]))])).await.unwrap();
    let mut instance = core.resource("kubeone_cluster").unwrap();
    instance.plan(settings()).await.unwrap();
    let said = errors(instance.apply(settings()).await.unwrap_err());
    assert!(said[0].starts_with("the hosts of cluster `prod` cannot be reached"), "{said:?}");
    assert_eq!(fleet.connections(), []);
}

/// How long a machine is waited for depends on what it is wanted for.
#[tokio::test]
async fn machines_are_connected_to_for_what_they_are_wanted_for() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    let both = |purpose| [("cp-1".to_owned(), purpose), ("w-1".to_owned(), purpose)];
    assert_eq!(fleet.connections(), both(Purpose::Look));
    let without_worker = with(|settings| settings["static_workers"] = json!({}));
    reported(instance.apply(without_worker).await.unwrap_err());
    let [control_plane, worker] = fleet.connections().try_into().unwrap();
    assert_eq!(control_plane, ("cp-1".to_owned(), Purpose::Work));
    assert_eq!(worker, ("w-1".to_owned(), Purpose::Farewell));
}

#[tokio::test]
async fn settings_that_a_cluster_keeps_for_life_are_refused_by_the_plan() {
    let (_, _, core) = running().await;
    let instance = known(&core, &settings()).await;
    let cases = [
        ("/name", json!("staging"), "name"),
        ("/api_endpoint/host", json!("10.0.0.2"), "api_endpoint.host"),
        ("/cluster_network/pod_subnet", json!("10.200.0.0/16"), "cluster_network.pod_subnet"),
        ("/cluster_network/service_subnet", json!("10.112.0.0/12"), "cluster_network.service_subnet"),
        ("/cluster_network/cluster_domain", json!("k8s.local"), "cluster_network.cluster_domain"),
        ("/cluster_network/cni", json!("canal"), "cluster_network.cni"),
        ("/control_plane/cp-1/address", json!("10.0.0.12"), r#"control_plane["cp-1"].address"#),
        ("/static_workers/w-1/address", json!("10.0.0.22"), r#"static_workers["w-1"].address"#),
        ("/static_workers/w-1/private_address", json!("10.1.0.22"), r#"static_workers["w-1"].private_address"#),
    ];
    for (pointer, value, expected) in cases {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let changed = with(|settings| settings.pointer_mut(parent).unwrap()[field] = value);
        let said = reported(instance.plan(changed).await.unwrap_err());
        let paths: Vec<_> = said.iter().filter_map(|it| it.path.as_ref()).map(ToString::to_string).collect();
        assert_eq!(paths, [expected]);
    }
}

#[tokio::test]
async fn what_the_last_look_shows_is_refused_by_the_plan_already() {
    let (_, fleet, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    fleet.worker().change(|facts| facts.marker.as_mut().unwrap().cluster = "staging".to_owned());
    instance.refresh().await.unwrap();
    let said = errors(instance.plan(labeled()).await.unwrap_err());
    assert!(said[0].starts_with("w-1 is refused: it belongs to the cluster `staging`"), "{said:?}");
    let alone = with(|settings| {
        let control_planes = settings["control_plane"].as_object_mut().unwrap();
        control_planes.clear();
        control_planes.insert("cp-9".to_owned(), json!({ "address": "10.0.0.19" }));
    });
    let said = errors(instance.plan(alone).await.unwrap_err());
    assert!(said[0].starts_with("1 of 1 control planes would leave at once"), "{said:?}");
}

#[tokio::test]
async fn an_apply_brings_what_is_known_of_the_nodes_up_to_date() {
    let (_, _, core) = running().await;
    let mut instance = known(&core, &settings()).await;
    instance.apply(unprotected()).await.unwrap();
    assert_eq!(instance.state.attribute("id").as_str(), Some(UID));
    let node = AttributePath::new("nodes").key("w-1");
    assert_eq!(instance.state.get(&node.clone().attribute("role")), Some(&Value::from("worker")));
    assert_eq!(instance.state.get(&node.attribute("ssh_host_key")), Some(&Value::from("ssh-ed25519 key-of-w-1")));
}
