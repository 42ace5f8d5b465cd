//! What refresh answers to each way a cluster can look.

use kubeone_facts::{ApiFacts, BegunRestore, HostFacts, HostState, KubernetesFiles, Marker, NodeFacts};
use tfplugin::AttributePath;

use super::*;
use crate::testing::{node_settings, state};

fn reached(marker: Option<&str>) -> HostState {
    let marker =
        marker.map(|cluster| Marker { cluster: cluster.to_owned(), uid: Some("uid".to_owned()), ..Marker::default() });
    let marker = marker.map(Into::into).unwrap_or_default();
    HostState::Reached(Box::new(HostFacts { marker, ..HostFacts::default() }))
}

fn unreachable() -> HostState {
    HostState::Unreachable { reason: "no route to host".to_owned() }
}

fn observed(control_plane: HostState, worker: HostState, api: ApiState) -> Observed {
    Observed {
        hosts: [("cp-1".to_owned(), control_plane), ("w-1".to_owned(), worker)].into(),
        api,
        ..Observed::default()
    }
}

fn api(nodes: &[&str]) -> ApiState {
    let node = |name: &&str| {
        let (control_plane, settings) = (*name == "cp-1", node_settings());
        let facts = NodeFacts { ready: true, control_plane, settings, ..NodeFacts::default() };
        ((*name).to_owned(), facts)
    };
    ApiState::Answered(Box::new(ApiFacts {
        cluster_uid: "uid".to_owned(),
        version: "v1.35.4".to_owned(),
        nodes: nodes.iter().map(node).collect(),
        ..ApiFacts::default()
    }))
}

fn request() -> ReadRequest {
    ReadRequest {
        state: state(),
        private: b"before".to_vec(),
        identity: Value::Null,
        provider_meta: Value::Null,
        context: tfplugin::CallContext::default(),
    }
}

fn refresh(observed: &Observed) -> ReadResponse {
    let request = request();
    let spec = decode::<ClusterSpec>(&CLUSTER, &request.state).unwrap().settings;
    answer(request, &Wanted::new(spec), observed)
}

#[track_caller]
fn assert_untouched(response: &ReadResponse, warning: &str) {
    assert_eq!(response.state, state());
    assert_eq!(response.private, b"before");
    let [told] = response.diagnostics.iter().collect::<Vec<_>>()[..] else { panic!("one warning is expected") };
    assert!(!told.is_error());
    assert!(told.detail.contains(warning), "{}", told.detail);
}

#[test]
fn a_silent_api_behind_silent_hosts_changes_nothing() {
    let silent = ApiState::Silent { reason: "connection refused".to_owned() };
    assert_untouched(&refresh(&observed(unreachable(), reached(Some("prod")), silent)), "connection refused");
}

/// The plan shows how it is brought back, so there must be a difference.
#[test]
fn a_silent_api_whose_hosts_answer_makes_a_plan() {
    let silent = ApiState::Silent { reason: "connection refused".to_owned() };
    let HostState::Reached(mut facts) = reached(Some("prod")) else { panic!("it is reached") };
    facts.kubernetes.etcd_data = true;
    let response = refresh(&observed(HostState::Reached(facts), reached(Some("prod")), silent));
    assert_eq!(response.state.attribute("planned_steps"), &Value::List(Vec::new()));
    assert_eq!(response.state.attribute("nodes"), state().attribute("nodes"));
    assert_ne!(response.private, b"before");
}

/// A restore was cut off. Were the last observation kept, the plan would show nothing of it.
#[test]
fn a_control_plane_that_was_stopped_is_seen() {
    let HostState::Reached(mut facts) = reached(Some("prod")) else { panic!("it is reached") };
    facts.restore = Some(BegunRestore { what: "snapshot x".to_owned(), replaced: false });
    let silent = ApiState::Silent { reason: "connection refused".to_owned() };
    let response = refresh(&observed(HostState::Reached(facts), unreachable(), silent));
    assert_eq!(response.state, state());
    let seen = private::decode(&response.private).unwrap();
    assert!(seen.facts("cp-1").is_some_and(|facts| facts.restore.is_some()));
}

#[test]
fn hosts_out_of_reach_are_not_gone() {
    let response = refresh(&observed(unreachable(), unreachable(), ApiState::Absent));
    assert_untouched(&response, "w-1: no route to host");
    let response = refresh(&observed(unreachable(), reached(None), ApiState::Absent));
    assert_untouched(&response, "cp-1: no route to host");
    let refuses = HostState::Refuses { reason: "user `root` could not log in".to_owned() };
    let response = refresh(&observed(refuses, reached(None), ApiState::Absent));
    assert_untouched(&response, "cp-1: user `root` could not log in");
}

#[test]
fn bare_hosts_carry_no_cluster_any_more() {
    assert!(refresh(&observed(reached(None), reached(None), ApiState::Absent)).state.is_null());
    assert!(refresh(&observed(reached(Some("other")), reached(None), ApiState::Absent)).state.is_null());
}

#[test]
fn what_is_left_of_a_cluster_is_not_forgotten() {
    let response = refresh(&observed(reached(Some("prod")), reached(None), ApiState::Absent));
    assert!(!response.state.is_null());

    let kubernetes = KubernetesFiles { kubelet_conf: true, ..KubernetesFiles::default() };
    let leftover = HostState::Reached(Box::new(HostFacts { kubernetes, ..HostFacts::default() }));
    assert!(!refresh(&observed(leftover, reached(None), ApiState::Absent)).state.is_null());
}

#[test]
fn a_cluster_as_it_was_is_no_difference() {
    let response = refresh(&observed(unreachable(), unreachable(), api(&["cp-1", "w-1"])));
    let steps = AttributePath::new("planned_steps");
    assert_eq!(response.state.get(&steps), state().get(&steps));
    assert_eq!(response.state.attribute("id"), state().attribute("id"));
    assert!(response.diagnostics.is_empty());
    assert!(private::decode(&response.private).is_some());
}

#[test]
fn a_state_of_an_older_provider_is_completed() {
    let mut older = state();
    for path in ["planned_steps", "ca_certificate"] {
        older.set(&path.into(), Value::Null);
    }
    older.set(&AttributePath::new("nodes").key("w-1").attribute("ssh_host_key"), Value::Null);
    let status = encode::read_status(&older).unwrap();
    assert_eq!((status.id.as_str(), status.planned_steps.len()), ("uid", 0));
}

#[test]
fn drift_empties_the_steps_so_that_the_next_plan_shows_its_own() {
    let response = refresh(&observed(unreachable(), reached(None), api(&["cp-1"])));
    assert_eq!(response.state.attribute("planned_steps"), &Value::List(Vec::new()));
    let nodes = response.state.attribute("nodes");
    assert!(!nodes.attribute("cp-1").is_null());
    assert!(nodes.attribute("w-1").is_null());
}

/// Somebody made another cluster of this name on the same hosts, or an import went astray.
#[test]
fn another_cluster_of_this_name_does_not_take_the_place_in_the_state() {
    let other = |marker: Option<&str>, replaces: Option<&str>| {
        let HostState::Reached(mut facts) = reached(marker) else { panic!("it is reached") };
        if let Some(marker) = facts.marker.as_mut() {
            (marker.uid, marker.replaces) = (Some("other".to_owned()), replaces.map(str::to_owned));
        }
        HostState::Reached(facts)
    };
    let answers = || {
        let ApiState::Answered(mut facts) = api(&["cp-1", "w-1"]) else { panic!("it answers") };
        "other".clone_into(&mut facts.cluster_uid);
        "other".clone_into(&mut facts.ca_certificate);
        ApiState::Answered(facts)
    };
    let read = |marker, replaces, api| {
        let spec = decode::<ClusterSpec>(&CLUSTER, &state()).unwrap().settings;
        let wanted = Wanted { uid: Some("uid".to_owned()), ..Wanted::new(spec) };
        answer(request(), &wanted, &observed(other(marker, replaces), other(marker, replaces), api))
    };
    for (marker, api) in [(Some("prod"), ApiState::Absent), (None, answers())] {
        let response = read(marker, None, api);
        for name in ["id", "ca_certificate", "nodes"] {
            assert_eq!(response.state.attribute(name), state().attribute(name), "{name}");
        }
        let told: Vec<_> = response.diagnostics.iter().map(|it| (it.is_error(), it.summary.as_str())).collect();
        assert_eq!(told, [(false, "cluster `prod` was not found")]);
        assert_ne!(response.private, b"before", "the plan must show it");
    }
    // An apply that made it in the place of one that was lost failed later.
    let response = read(Some("prod"), Some("uid"), answers());
    assert_eq!(response.state.attribute("id").as_str(), Some("other"));
    assert!(response.diagnostics.is_empty());
}
