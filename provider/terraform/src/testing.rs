//! Material for this crate's tests.

pub(crate) mod api;
pub(crate) mod fleet;
pub(crate) mod machine;

use kubeone_facts::NodeSettings;
use kubeone_spec::{ClusterStatus, NodeStatus, Taint};
use serde_json::json;
use tfplugin::{AttributePath, Value};

use crate::encode::{self, complete};
use crate::model::CLUSTER;

/// A configuration with one control plane and one worker in which every nested attribute is written, so that tests can
/// change any of them.
pub(crate) fn config() -> Value {
    let host = |address: &str| {
        json!({
            "address": address, "private_address": address, "instance_id": "1", "ssh_host_key": "ssh-ed25519 AAAA",
            "ssh_user": "admin", "ssh_port": 22, "labels": { "zone": "a" }, "annotations": { "note": "x" },
            "taints": [{ "key": "dedicated", "value": "web", "effect": "NoSchedule" }],
            "kubelet": {
                "max_pods": 200, "system_reserved": { "memory": "500Mi" }, "eviction_hard": { "memory.available": "5%" },
                "image_gc_high_threshold_percent": 70, "image_gc_low_threshold_percent": 60, "container_log_max_size": "50Mi",
                "shutdown_grace_period": "1m", "shutdown_grace_period_critical_pods": "20s",
                "allowed_unsafe_sysctls": ["net.core.somaxconn"],
            },
        })
    };
    let settings = json!({
        "name": "prod",
        "kubernetes_version": "1.35.4",
        "api_endpoint": { "host": "10.0.0.1", "port": 6443, "alternative_names": ["api.example.com"] },
        "control_plane": { "cp-1": host("10.0.0.11") },
        "static_workers": { "w-1": host("10.0.0.21") },
        "cluster_network": {
            "pod_subnet": "10.244.0.0/16", "service_subnet": "10.96.0.0/12", "cluster_domain": "cluster.local", "cni": "canal",
        },
        "kubeconfig": { "store_in_state": false, "ttl": "8760h" },
        "deletion": { "protection": true, "unreachable_hosts": "skip", "remove_packages": true, "keep_snapshots": false },
        "timeouts": { "create": "1h", "update": "2h", "delete": "30m", "read": "1m", "lock": "5m" },
    });
    complete(Value::from(settings), &CLUSTER.schema().ty())
}

/// What the nodes of the cluster of [`config`] carry.
pub(crate) fn node_settings() -> NodeSettings {
    let taints: Vec<Taint> = vec!["dedicated=web:NoSchedule".parse().unwrap()];
    NodeSettings {
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        annotations: [("note".to_owned(), "x".to_owned())].into(),
        taints: taints.clone(),
        own_taints: Some(taints),
    }
}

/// The state after the cluster of [`config`] was made. It brings its own CNI, so that no addon shows in plans.
pub(crate) fn state() -> Value {
    let mut state = config();
    state.set(&AttributePath::new("cluster_network").attribute("cni"), "none");
    made(state)
}

/// The state after the cluster of these settings was made.
pub(crate) fn state_of(settings: &serde_json::Value) -> Value {
    made(complete(Value::from(settings.clone()), &CLUSTER.schema().ty()))
}

fn made(mut state: Value) -> Value {
    let status = ClusterStatus {
        id: "uid".to_owned(),
        endpoint: "https://10.0.0.1:6443".to_owned(),
        ca_certificate: "-----BEGIN CERTIFICATE-----".to_owned(),
        nodes: [("cp-1".to_owned(), NodeStatus::default()), ("w-1".to_owned(), NodeStatus::default())].into(),
        planned_steps: vec!["cp-1: initialize control plane with Kubernetes 1.35.4".to_owned()],
        ..ClusterStatus::default()
    };
    encode::write(&mut state, &status).unwrap();
    state
}

pub(crate) fn host(map: &str, name: &str) -> AttributePath {
    AttributePath::new(map).key(name)
}
