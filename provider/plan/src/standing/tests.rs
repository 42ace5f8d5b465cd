//! The standing of hosts that are nodes only in part: they were reset, damaged, or made by other tools.

use kubeone_facts::{ApiFacts, ApiState, KubernetesFiles, NodeFacts};
use kubeone_spec::ClusterSpec;
use serde_json::json;

use super::*;

fn wanted() -> Wanted {
    let spec: ClusterSpec = serde_json::from_value(json!({
        "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
        "control_plane": { "cp-1": { "address": "10.0.0.1" } },
    }))
    .unwrap();
    Wanted { uid: Some("uid".to_owned()), ..Wanted::new(spec) }
}

/// A finished node with some changes.
fn node(change: impl FnOnce(&mut HostFacts)) -> HostFacts {
    let marker = Marker { cluster: "prod".to_owned(), uid: Some("uid".to_owned()), ..Marker::default() };
    let kubernetes = KubernetesFiles { kubelet_conf: true, ca_sha256: "ca".to_owned(), ..KubernetesFiles::default() };
    let mut facts =
        HostFacts { marker: marker.into(), kubernetes, machine_id: "machine".to_owned(), ..HostFacts::default() };
    change(&mut facts);
    facts
}

fn observed(facts: HostFacts, api: ApiState) -> Observed {
    let hosts = [("cp-1".to_owned(), HostState::Reached(Box::new(facts)))].into();
    Observed { hosts, api, ..Observed::default() }
}

/// The cluster has a Node for the host.
fn answered() -> ApiState {
    let node = NodeFacts { machine_id: "machine".to_owned(), ..NodeFacts::default() };
    ApiState::Answered(Box::new(ApiFacts {
        cluster_uid: "uid".to_owned(),
        ca_sha256: "ca".to_owned(),
        nodes: [("cp-1".to_owned(), node)].into(),
        ..ApiFacts::default()
    }))
}

#[test]
fn deleted_files_are_not_a_reset() {
    let was_reset = |facts| {
        let (wanted, observed) = (wanted(), observed(facts, ApiState::Absent));
        Situation::new(&wanted, &observed).host("cp-1").unwrap().was_reset
    };
    assert!(was_reset(node(|facts| facts.kubernetes.kubelet_conf = false)));
    assert!(!was_reset(node(|_| {})));
    let taken_away = |facts: &mut HostFacts| {
        facts.kubernetes.kubelet_conf = false;
        facts.changed_files = vec!["/etc/kubernetes/kubelet.conf".to_owned()];
    };
    assert!(!was_reset(node(taken_away)), "what kubeadm had done is recorded still");
    let never_finished = |facts: &mut HostFacts| {
        facts.kubernetes.kubelet_conf = false;
        facts.marker.as_mut().unwrap().uid = None;
    };
    assert!(!was_reset(node(never_finished)));
}

#[test]
fn a_node_is_a_finished_host_with_a_node_object() {
    let is_node = |facts, api| {
        let (wanted, observed) = (wanted(), observed(facts, api));
        Situation::new(&wanted, &observed).host("cp-1").unwrap().is_node()
    };
    assert!(is_node(node(|_| {}), answered()));
    assert!(!is_node(node(|_| {}), ApiState::Answered(Box::default())), "its Node is gone, and its API is another");
    assert!(!is_node(node(|facts| facts.marker.as_mut().unwrap().uid = None), answered()));
}

#[test]
fn only_the_machine_behind_the_node_can_be_adopted() {
    let of = |wanted: &Wanted, change: fn(&mut HostFacts)| {
        let facts = node(|facts| {
            facts.marker = MarkerFile::Absent;
            change(facts);
        });
        let observed = observed(facts, answered());
        standing(wanted, &observed, "cp-1") == Standing::Adoptable
    };
    assert!(of(&wanted(), |_| {}));
    assert!(!of(&wanted(), |facts| facts.kubernetes.ca_sha256 = "other".to_owned()));
    assert!(!of(&wanted(), |facts| facts.machine_id = "other".to_owned()));
    assert!(!of(&Wanted { uid: None, ..wanted() }, |_| {}), "a create adopts nothing");
    assert!(!of(&Wanted { uid: Some("other".to_owned()), ..wanted() }, |_| {}));
}

#[test]
fn leftovers_are_described() {
    let left = |state: Option<UnitState>, change: fn(&mut HostFacts)| {
        let mut facts = HostFacts {
            units: state.map(|it| (JOIN_UNIT.to_owned(), it)).into_iter().collect(),
            ..HostFacts::default()
        };
        change(&mut facts);
        leftover(&facts, JOIN_UNIT)
    };
    assert_eq!(left(None, |_| {}), None);
    assert_eq!(left(None, |it| it.kubernetes.etcd_data = true).as_deref(), Some("an earlier attempt was interrupted"));
    assert_eq!(left(Some(UnitState::Running), |_| {}).as_deref(), Some("an earlier attempt is still running"));
    assert_eq!(left(Some(UnitState::Failed), |_| {}).as_deref(), Some("an earlier attempt failed"));
    assert_eq!(
        left(Some(UnitState::Succeeded), |_| {}).as_deref(),
        Some("an earlier attempt was interrupted at the end")
    );
    let other = HostFacts { units: [(INIT_UNIT.to_owned(), UnitState::Running)].into(), ..HostFacts::default() };
    assert_eq!(leftover(&other, JOIN_UNIT), None);
}
