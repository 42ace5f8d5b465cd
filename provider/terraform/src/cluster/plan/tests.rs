//! Plans as Terraform shows them. They are pure, so these are the real ones.

use std::sync::Arc;

use kubeone_facts::{ApiFacts, ApiState, HostFacts, HostState, Marker, NodeFacts, Observed};
use kubeone_hosts::LocalEnvironment;
use tfplugin::{AttributePath, PlanRequest, PlanResponse, Value};

use super::LocalMachine;
use crate::connection::{Connection, Ssh};
use crate::private;
use crate::testing::{config, host, node_settings, state};

fn plan(request: &PlanRequest) -> Result<PlanResponse, tfplugin::Diagnostics> {
    super::plan(request, &LocalMachine::default(), &nowhere())
}

/// Nothing is known of how hosts are reached.
fn nowhere() -> Connection {
    Connection::new(Arc::new(Ssh(LocalEnvironment::default())))
}

fn create(change: impl FnOnce(&mut Value)) -> PlanResponse {
    let mut config = config();
    change(&mut config);
    plan(&request(Value::Null, config, Vec::new())).unwrap()
}

fn update(observed: &Observed, change: impl FnOnce(&mut Value)) -> Result<PlanResponse, Vec<String>> {
    let prior = state();
    let mut proposed = prior.clone();
    change(&mut proposed);
    plan(&request(prior, proposed, private::encode(observed).unwrap())).map_err(|diagnostics| {
        diagnostics.into_iter().map(|error| format!("{}: {}", error.path.unwrap_or_default(), error.summary)).collect()
    })
}

fn request(prior_state: Value, proposed_state: Value, prior_private: Vec<u8>) -> PlanRequest {
    PlanRequest {
        prior_state,
        config: proposed_state.clone(),
        proposed_state,
        prior_private,
        planned_private: None,
        prior_identity: Value::Null,
        provider_meta: Value::Null,
        context: tfplugin::CallContext::default(),
    }
}

/// Both hosts are nodes. They were not reached themselves, so nothing but their Nodes counts.
fn settled() -> Observed {
    let unreachable = || HostState::Unreachable { reason: "no route to host".to_owned() };
    let node =
        |control_plane| NodeFacts { ready: true, control_plane, settings: node_settings(), ..NodeFacts::default() };
    let api = ApiFacts {
        cluster_uid: "uid".to_owned(),
        version: "v1.35.4".to_owned(),
        nodes: [("cp-1".to_owned(), node(true)), ("w-1".to_owned(), node(false))].into(),
        ..ApiFacts::default()
    };
    Observed {
        hosts: [("cp-1".to_owned(), unreachable()), ("w-1".to_owned(), unreachable())].into(),
        api: ApiState::Answered(Box::new(api)),
        ..Observed::default()
    }
}

fn steps(response: &PlanResponse) -> Vec<&str> {
    let steps = response.planned_state.attribute("planned_steps").as_list().unwrap_or_default();
    steps.iter().filter_map(Value::as_str).collect()
}

#[track_caller]
fn assert_unknown(response: &PlanResponse, unknown: &[&str]) {
    let state = response.planned_state.as_map().unwrap();
    let found: Vec<_> = state.iter().filter(|(_, value)| value.is_unknown()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, unknown);
}

const CREATE_STEPS: [&str; 5] = [
    "cp-1: prepare control plane for Kubernetes 1.35.4",
    "cp-1: initialize control plane with Kubernetes 1.35.4",
    "w-1: prepare worker for Kubernetes 1.35.4",
    "w-1: join worker",
    "cluster: wait until 2 nodes are ready",
];

#[test]
fn create_shows_each_step() {
    let response = create(|_| {});
    let shown: Vec<_> = steps(&response).into_iter().filter(|step| !step.contains("addon")).collect();
    assert_eq!(shown, CREATE_STEPS);
    assert_eq!(response.planned_state.attribute("endpoint").as_str(), Some("https://10.0.0.1:6443"));
    assert_unknown(&response, &["ca_certificate", "id", "nodes", "ssh_host_keys"]);
}

#[test]
fn create_shows_each_step_before_addresses_are_known() {
    let response = create(|config| {
        for map in ["control_plane", "static_workers"] {
            for field in ["address", "private_address", "instance_id", "ssh_host_key"] {
                let name = if map == "control_plane" { "cp-1" } else { "w-1" };
                config.set(&host(map, name).attribute(field), Value::unknown());
            }
        }
        config.set(&AttributePath::new("api_endpoint").attribute("host"), Value::unknown());
    });
    let shown: Vec<_> = steps(&response).into_iter().filter(|step| !step.contains("addon")).collect();
    assert_eq!(shown, CREATE_STEPS);
    assert!(response.planned_state.attribute("endpoint").is_unknown());
}

#[test]
fn unknown_hosts_have_unknown_steps() {
    for field in ["static_workers", "control_plane", "kubernetes_version", "cluster_network"] {
        let response = create(|config| assert!(config.set(&field.into(), Value::unknown())));
        assert!(response.planned_state.attribute("planned_steps").is_unknown(), "{field}");
    }
}

/// The step that renews the certificate for a new name has that name in its text.
#[test]
fn names_of_the_api_that_are_not_known_yet_leave_the_steps_open() {
    let names = AttributePath::new("api_endpoint").attribute("alternative_names");
    for value in [Value::unknown(), Value::List(vec!["api.example.com".into(), Value::unknown()])] {
        let response = update(&settled(), |config| assert!(config.set(&names, value))).unwrap();
        assert_unknown(&response, &["nodes", "planned_steps"]);
    }
    let response = create(|config| assert!(config.set(&names, Value::unknown())));
    assert_unknown(&response, &["ca_certificate", "id", "nodes", "ssh_host_keys"]);
}

#[test]
fn nothing_to_do_is_an_empty_plan() {
    let response = update(&settled(), |_| {}).unwrap();
    assert_eq!(response.planned_state, state());
}

#[test]
fn a_setting_without_steps_changes_alone() {
    let protection = AttributePath::new("deletion").attribute("protection");
    let response = update(&settled(), |config| assert!(config.set(&protection, false))).unwrap();
    let mut expected = state();
    expected.set(&protection, false);
    assert_eq!(response.planned_state, expected);
}

#[test]
fn labels_of_one_host_change_on_its_node_alone() {
    let labels = host("static_workers", "w-1").attribute("labels");
    let pool = Value::object([("pool", Value::from("general"))]);
    let response = update(&settled(), |config| assert!(config.set(&labels, pool))).unwrap();
    assert_eq!(steps(&response), ["w-1: set labels pool=general; remove labels zone"]);
    assert_eq!(response.planned_state.attribute("nodes"), state().attribute("nodes"));
}

#[test]
fn a_lost_node_is_joined_again() {
    let mut observed = settled();
    if let ApiState::Answered(api) = &mut observed.api {
        api.nodes.remove("w-1");
    }
    observed.hosts.remove("w-1");
    let response = update(&observed, |_| {}).unwrap();
    assert_eq!(steps(&response)[..2], ["w-1: prepare worker for Kubernetes 1.35.4", "w-1: join worker"]);
    let nodes = response.planned_state.attribute("nodes");
    assert!(nodes.attribute("w-1").is_unknown());
    assert_eq!(nodes.attribute("cp-1"), state().attribute("nodes").attribute("cp-1"));
}

/// Summaries of what a plan is refused for, or only tells, when a worker is somebody else's.
fn with_a_foreign_worker(change: impl Fn(&mut Value)) -> (PlanResponse, Vec<(bool, String)>) {
    let mut observed = settled();
    let marker = Marker { cluster: "other".to_owned(), ..Marker::default() };
    let foreign = HostFacts { marker: marker.into(), ..HostFacts::default() };
    observed.hosts.insert("w-1".to_owned(), HostState::Reached(Box::new(foreign)));
    let mut prior = state();
    prior.set(&AttributePath::new("deletion").attribute("protection"), false);
    let mut proposed = prior.clone();
    change(&mut proposed);
    let response = plan(&request(prior, proposed, private::encode(&observed).unwrap())).unwrap();
    let about_it = response.diagnostics.iter().filter(|it| it.summary.starts_with("w-1 is refused"));
    let told = about_it.map(|it| (it.is_error(), it.summary.clone())).collect();
    (response, told)
}

/// `terraform destroy` plans in the normal way first, and must go on.
#[test]
fn a_broken_cluster_that_may_be_destroyed_is_told_of() {
    let told = "w-1 is refused: it belongs to the cluster `other`".to_owned();
    let (response, seen) = with_a_foreign_worker(|_| {});
    assert_eq!(seen, [(false, told.clone())]);
    assert!(!response.diagnostics.has_errors(), "{:?}", response.diagnostics);
    assert_eq!(response.planned_state.attribute("planned_steps"), state().attribute("planned_steps"));

    let (_, seen) = with_a_foreign_worker(|config| {
        config.set(&"kubernetes_version".into(), "1.35.9");
    });
    assert_eq!(seen, [(true, told.clone())]);
    let (_, seen) = with_a_foreign_worker(|config| {
        config.set(&AttributePath::new("deletion").attribute("protection"), true);
    });
    assert_eq!(seen, [(true, told.clone())]);
    let (response, seen) = with_a_foreign_worker(|config| {
        config.set(&AttributePath::new("deletion").attribute("remove_packages"), false);
        config.set(&AttributePath::new("timeouts").attribute("delete"), "2h");
    });
    assert_eq!(seen, [(false, told)]);
    assert_eq!(response.planned_state.attribute("nodes"), state().attribute("nodes"));
}

/// By an apply, and that apply must be possible.
#[test]
fn a_broken_cluster_that_is_protected_can_lose_its_protection() {
    let mut observed = settled();
    let marker = Marker { cluster: "other".to_owned(), ..Marker::default() };
    let foreign = HostFacts { marker: marker.into(), ..HostFacts::default() };
    observed.hosts.insert("w-1".to_owned(), HostState::Reached(Box::new(foreign)));
    let protection = AttributePath::new("deletion").attribute("protection");
    let response = update(&observed, |config| assert!(config.set(&protection, false))).unwrap();
    assert!(!response.diagnostics.has_errors(), "{:?}", response.diagnostics);
    let mut expected = state();
    expected.set(&protection, false);
    assert_eq!(response.planned_state, expected);
}

#[test]
fn a_new_host_joins_even_before_its_address_is_known() {
    let response = update(&settled(), |config| {
        let workers = config.attribute("static_workers").as_map().cloned().unwrap_or_default();
        let mut second = workers["w-1"].clone();
        for field in ["address", "private_address", "instance_id"] {
            second.set(&field.into(), Value::unknown());
        }
        config.set(&host("static_workers", "w-2"), second);
    })
    .unwrap();
    assert_eq!(steps(&response)[..2], ["w-2: prepare worker for Kubernetes 1.35.4", "w-2: join worker"]);
}

#[test]
fn a_new_machine_takes_the_place_of_an_old_one() {
    let id = host("static_workers", "w-1").attribute("instance_id");
    let response = update(&settled(), |config| assert!(config.set(&id, "2"))).unwrap();
    let expected = [
        "w-1: prepare worker for Kubernetes 1.35.4",
        "w-1: remove replaced worker (drain, delete Node, reset host)",
        "w-1: join worker",
    ];
    assert_eq!(steps(&response)[..3], expected);
    assert!(response.planned_state.attribute("nodes").attribute("w-1").is_unknown());

    let response = update(&settled(), |config| assert!(config.set(&id, Value::unknown()))).unwrap();
    assert_unknown(&response, &["nodes", "planned_steps", "ssh_host_keys"]);
}

#[test]
fn a_dropped_host_leaves_the_nodes_with_the_plan() {
    let response = update(&settled(), |config| assert!(config.set(&"static_workers".into(), Value::Null))).unwrap();
    assert_eq!(steps(&response), ["w-1: remove worker (drain, delete Node, reset host)"]);
    let nodes: Vec<_> = response.planned_state.attribute("nodes").as_map().unwrap().keys().cloned().collect();
    assert_eq!(nodes, ["cp-1"]);

    // Its Node is gone, and the machine does not answer: nothing is left to do.
    let mut observed = settled();
    if let ApiState::Answered(api) = &mut observed.api {
        api.nodes.remove("w-1");
    }
    let response = update(&observed, |config| assert!(config.set(&"static_workers".into(), Value::Null))).unwrap();
    assert_eq!(response.planned_state.attribute("nodes").as_map().unwrap().len(), 1);
    assert_eq!(response.planned_state.attribute("planned_steps"), state().attribute("planned_steps"));
}

#[test]
fn control_planes_that_may_be_new_machines_count_as_lost() {
    let id = host("control_plane", "cp-1").attribute("instance_id");
    let refused = update(&settled(), |config| assert!(config.set(&id, Value::unknown()))).err().unwrap();
    assert_eq!(refused, ["control_plane: 1 of 1 control planes would leave at once"]);
    let whole = update(&settled(), |config| assert!(config.set(&"control_plane".into(), Value::unknown()))).unwrap();
    assert_unknown(&whole, &["control_plane", "nodes", "planned_steps", "ssh_host_keys"]);
}

#[test]
fn changes_that_cannot_be_made_are_refused_where_they_are() {
    let cases = [
        (AttributePath::new("name"), Value::from("other"), "name: `name` cannot change"),
        (
            AttributePath::new("cluster_network").attribute("pod_subnet"),
            Value::from("10.200.0.0/16"),
            "cluster_network.pod_subnet: `cluster_network.pod_subnet` cannot change",
        ),
        (
            AttributePath::new("api_endpoint").attribute("host"),
            Value::from("10.0.0.2"),
            "api_endpoint.host: `api_endpoint.host` cannot change",
        ),
        (
            host("static_workers", "w-1").attribute("private_address"),
            Value::from("10.0.0.99"),
            "static_workers[\"w-1\"].private_address: cannot change `private_address` of a host that is in the cluster",
        ),
        (
            host("control_plane", "cp-1").attribute("instance_id"),
            Value::from("2"),
            "control_plane: 1 of 1 control planes would leave at once",
        ),
    ];
    for (path, value, expected) in cases {
        let refused = update(&settled(), |config| assert!(config.set(&path, value))).err().unwrap();
        assert_eq!(refused, [expected]);
    }
}

#[test]
fn a_default_that_is_written_out_is_no_change() {
    let response = update(&settled(), |config| {
        assert!(config.set(&AttributePath::new("api_endpoint").attribute("port"), Value::Null));
    });
    assert!(response.is_ok());
}

#[test]
fn a_protected_cluster_is_not_destroyed() {
    let destroy = |prior| plan(&request(prior, Value::Null, Vec::new()));
    let refused = destroy(state()).err().unwrap();
    let first = refused.iter().next().unwrap();
    assert_eq!(first.path, Some(AttributePath::new("deletion").attribute("protection")));

    let mut unprotected = state();
    unprotected.set(&AttributePath::new("deletion").attribute("protection"), false);
    assert!(destroy(unprotected).unwrap().planned_state.is_null());
}

#[test]
fn a_value_that_turns_out_wrong_is_refused() {
    let mut wrong = config();
    wrong.set(&host("static_workers", "w-1").attribute("address"), "10.0.0.11");
    let refused = plan(&request(Value::Null, wrong, Vec::new())).err().unwrap();
    assert!(refused.has_errors());
}

fn restoring(snapshot: &str) -> Value {
    Value::object([("snapshot", snapshot.into()), ("survivor", Value::Null), ("trigger", Value::Null)])
}

const SNAPSHOT: &str = "prod-20260102T030405Z-r7-v1.35.4";

/// Without the keys of the old one it would be another cluster.
#[test]
fn a_cluster_is_not_made_from_a_plain_snapshot() {
    let with = |file: String| {
        let mut config = config();
        assert!(config.set(&"restore".into(), restoring(&file)));
        plan(&request(Value::Null, config, Vec::new()))
    };
    let refused = with(format!("./{SNAPSHOT}.db")).err().unwrap();
    assert!(refused.iter().any(|it| it.summary.contains("is not enough to restore to new machines")), "{refused:?}");
    let response = with(format!("./{SNAPSHOT}.age")).unwrap();
    let shown = steps(&response);
    assert!(shown.iter().any(|step| step.ends_with(&format!("from snapshot {SNAPSHOT}"))), "{shown:?}");
    let told: Vec<_> = response.diagnostics.iter().map(|it| it.summary.as_str()).collect();
    assert_eq!(told, [format!("there is no file `./{SNAPSHOT}.age` on the machine that runs Terraform")]);
}

/// What was last seen of the machines before says nothing of whether they are lost.
#[test]
fn a_restore_onto_new_machines_does_not_depend_on_what_the_old_ones_were_like() {
    let response = update(&settled(), |config| {
        assert!(config.set(&"restore".into(), restoring(&format!("./{SNAPSHOT}.age"))));
        assert!(config.set(&host("control_plane", "cp-1").attribute("instance_id"), "new"));
        assert!(config.set(&host("control_plane", "cp-1").attribute("address"), "10.0.0.7"));
    })
    .unwrap();
    assert!(response.planned_state.attribute("planned_steps").is_unknown());
    assert_eq!(response.planned_state.attribute("id"), state().attribute("id"));
}
