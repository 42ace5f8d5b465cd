//! What an import id means, and what state follows from a cluster.

use kubeone_facts::{ApiFacts, ApiState, HostFacts, HostState, NodeFacts, Observed};
use kubeone_plan::plan_create_or_update;
use serde_json::json;
use tfplugin::AttributePath;

use super::*;

fn entrance(address: &str, user: Option<&str>, port: Option<u16>) -> Entrance {
    Entrance { address: address.to_owned(), user: user.map(str::to_owned), port }
}

#[test]
fn an_id_names_a_control_plane() {
    let cases = [
        ("10.0.0.11", entrance("10.0.0.11", None, None)),
        ("admin@cp.example.com", entrance("cp.example.com", Some("admin"), None)),
        ("ssh://admin@cp.example.com:2222/", entrance("cp.example.com", Some("admin"), Some(2222))),
        ("fd00::1", entrance("fd00::1", None, None)),
        ("root@[fd00::1]:2222", entrance("fd00::1", Some("root"), Some(2222))),
    ];
    for (id, expected) in cases {
        assert_eq!(parse(id), Some(expected), "{id}");
    }
    for id in [
        "",
        "@host",
        "user@",
        "host:ssh",
        "host:70000",
        "user:password@host",
        "ssh://host/?key=x",
        "a host",
        "[fd00::1",
    ] {
        assert_eq!(parse(id), None, "{id}");
    }
}

fn imported(ours: bool) -> Imported {
    let settings = json!({
        "name": "kubernetes", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.100" },
        "control_plane": { "alpha": { "address": "10.0.0.1" } }, "cluster_network": { "cni": "none" },
    });
    let facts = HostFacts { machine_id: "m".to_owned(), ..HostFacts::default() };
    let node = NodeFacts {
        ready: true,
        control_plane: true,
        machine_id: "m".to_owned(),
        internal_address: "10.0.0.1".to_owned(),
        ..NodeFacts::default()
    };
    let api = ApiFacts {
        cluster_uid: "uid".to_owned(),
        version: "v1.35.4".to_owned(),
        nodes: [("alpha".to_owned(), node)].into(),
        ..ApiFacts::default()
    };
    let observed = Observed {
        hosts: [("alpha".to_owned(), HostState::Reached(Box::new(facts)))].into(),
        api: ApiState::Answered(Box::new(api)),
        ..Observed::default()
    };
    Imported { spec: serde_json::from_value(settings.clone()).unwrap(), settings, observed, ours }
}

#[test]
fn the_state_holds_what_was_found_and_nothing_else() {
    let imported = imported(false);
    let resource = resource(&imported).unwrap();
    assert_eq!(resource.state.attribute("id").as_str(), Some("uid"));
    assert_eq!(resource.state.attribute("endpoint").as_str(), Some("https://10.0.0.100:6443"));
    assert!(resource.state.attribute("timeouts").is_null());
    let host = AttributePath::new("control_plane").key("alpha");
    assert_eq!(resource.state.get(&host.clone().attribute("address")), Some(&Value::from("10.0.0.1")));
    assert_eq!(resource.state.get(&host.attribute("labels")), Some(&Value::Null));
    let spec: kubeone_spec::ClusterSpec = decode(&CLUSTER, &resource.state).unwrap().settings;
    assert_eq!(spec, imported.spec);
    assert!(private::is_imported(&resource.private));
    assert!(private::decode(&resource.private).is_some());
}

#[test]
fn a_cluster_of_ours_is_nothing_new() {
    let resource = resource(&imported(true)).unwrap();
    assert!(!private::is_imported(&resource.private));
    let spec: kubeone_spec::ClusterSpec = decode(&CLUSTER, &resource.state).unwrap().settings;
    let wanted = kubeone_plan::Wanted { uid: Some("uid".to_owned()), ..kubeone_plan::Wanted::new(spec) };
    let observed = private::decode(&resource.private).unwrap();
    assert!(!plan_create_or_update(&wanted, &observed).lines().iter().any(|line| line.contains("adopt")));
}
