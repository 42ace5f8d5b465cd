//! Which key belongs to which machine, and how long.

use kubeone_facts::{ApiFacts, ApiState, HostState, Marker, NodeFacts};
use kubeone_spec::NodeStatus;

use super::*;
use crate::decode::decode;
use crate::encode;
use crate::model::CLUSTER;
use crate::testing::{host, state};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn spec() -> ClusterSpec {
    decode::<ClusterSpec>(&CLUSTER, &state()).unwrap().settings
}

fn machine(cluster: Option<&str>, machine_id: &str, key: &str) -> HostState {
    let marker = cluster.map(|cluster| Marker { cluster: cluster.to_owned(), ..Marker::default() });
    let (machine_id, ssh_host_key) = (machine_id.to_owned(), key.to_owned());
    let marker = marker.map(Into::into).unwrap_or_default();
    HostState::Reached(Box::new(HostFacts { marker, machine_id, ssh_host_key, ..HostFacts::default() }))
}

fn seen(worker: HostState) -> Observed {
    let node = NodeFacts { machine_id: "m".to_owned(), ..NodeFacts::default() };
    let api = ApiFacts { nodes: [("w-1".to_owned(), node)].into(), ..ApiFacts::default() };
    let hosts = [("w-1".to_owned(), worker)].into();
    Observed { hosts, api: ApiState::Answered(Box::new(api)), ..Observed::default() }
}

fn keys(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect()
}

#[test]
fn a_machine_of_the_cluster_has_its_key_kept() {
    let spec = spec();
    let prior = keys(&[("cp-1", "c"), ("gone", "g"), ("w-1", "old")]);
    for its in [machine(Some("prod"), "", "new"), machine(None, "m", "new")] {
        assert_eq!(after(&spec, &seen(its), &prior), keys(&[("cp-1", "c"), ("w-1", "new")]));
    }
    let silent = HostState::Unreachable { reason: String::new() };
    for other in [machine(Some("other"), "", "new"), machine(None, "x", "new"), machine(Some("prod"), "", ""), silent] {
        assert_eq!(after(&spec, &seen(other), &prior), keys(&[("cp-1", "c"), ("w-1", "old")]));
    }
}

#[test]
fn an_older_state_tells_the_keys_elsewhere() {
    let spec = spec();
    let private = private::encode(&seen(machine(Some("prod"), "", "observed"))).unwrap();
    let mut status = ClusterStatus::default();
    assert_eq!(kept(&spec, &status, &private), keys(&[("w-1", "observed")]));
    let strangers = private::encode(&seen(machine(None, "", "observed"))).unwrap();
    assert_eq!(kept(&spec, &status, &strangers), keys(&[]));
    let node = NodeStatus { ssh_host_key: "node".to_owned(), ..NodeStatus::default() };
    status.nodes.insert("w-1".to_owned(), node);
    assert_eq!(kept(&spec, &status, &private), keys(&[("w-1", "node")]));
    status.ssh_host_keys = keys(&[("w-1", "kept"), ("unnamed", "x")]);
    assert_eq!(kept(&spec, &status, &private), keys(&[("w-1", "kept")]));
}

/// What is planned for the attribute when settings change so.
fn planned(change: impl FnOnce(&mut Value)) -> Value {
    let mut prior_state = state();
    prior_state.set(&ATTRIBUTE.into(), serde_json::json!({ "cp-1": "c", "w-1": "w" }));
    let mut proposed = prior_state.clone();
    change(&mut proposed);
    let wanted = decode::<ClusterSpec>(&CLUSTER, &proposed).unwrap();
    let change = Wanted::after(&spec(), None, wanted.settings.clone());
    plan(&mut proposed, &wanted, &spec(), &change);
    proposed.attribute(ATTRIBUTE).clone()
}

#[test]
fn a_key_is_planned_for_its_machine() {
    let both = Value::from(serde_json::json!({ "cp-1": "c", "w-1": "w" }));
    let first = Value::from(serde_json::json!({ "cp-1": "c" }));
    let with_key = |key: &str| Value::from(serde_json::json!({ "cp-1": "c", "w-1": key }));
    let worker = |field: &str| host("static_workers", "w-1").attribute(field);
    assert_eq!(planned(|_| {}), both);
    assert_eq!(planned(|state| assert!(state.set(&worker("ssh_port"), 2222_i64))), both);
    assert_eq!(planned(|state| assert!(state.set(&"static_workers".into(), Value::Map(BTreeMap::new())))), first);
    let stated = |state: &mut Value| assert!(state.set(&worker("ssh_host_key"), format!("{KEY} comment").as_str()));
    assert_eq!(planned(stated), with_key(KEY), "the settings say another key");
    let replaced = |state: &mut Value| assert!(state.set(&worker("instance_id"), "2"));
    assert_eq!(planned(replaced), first, "the next refresh adds it");
    let both_changed = |state: &mut Value| {
        replaced(state);
        stated(state);
    };
    assert_eq!(planned(both_changed), with_key(KEY));
    assert!(planned(|state| assert!(state.set(&worker("instance_id"), Value::unknown()))).is_unknown());
}

#[test]
fn a_machine_that_began_to_join_has_its_own_key() {
    let mut state = state();
    replace(&mut state, "w-1", Some(KEY));
    let status = encode::read_status(&state).unwrap();
    assert_eq!(kept(&spec(), &status, b""), keys(&[("w-1", KEY)]));
    assert_eq!(status.nodes["w-1"].ssh_host_key, KEY);
    replace(&mut state, "w-1", None);
    let status = encode::read_status(&state).unwrap();
    assert_eq!((kept(&spec(), &status, b""), status.nodes["w-1"].ssh_host_key.as_str()), (keys(&[]), ""));
}
