//! Clusters of any size, wanted and seen.

use kubeone_facts::Observed;
use kubeone_spec::ClusterSpec;
use serde_json::{Map, Value, json};

use crate::Result;

const UID: &str = "11111111-2222-3333-4444-555555555555";
const VERSION: &str = "1.35.4";

/// Three control planes, and workers for the rest.
pub(crate) fn names(hosts: usize) -> impl Iterator<Item = String> {
    (1..=hosts).map(|number| if number <= 3 { format!("cp-{number}") } else { format!("w-{number}") })
}

/// Settings for that many hosts; `more` adds to what is said of each.
pub(crate) fn spec(hosts: usize, more: impl Fn(usize) -> Value) -> Result<ClusterSpec> {
    let (mut control_plane, mut workers) = (Map::new(), Map::new());
    for (index, name) in names(hosts).enumerate() {
        let mut host = more(index);
        if host["address"].is_null() {
            host["address"] = format!("10.0.{}.{}", index / 250, index % 250 + 1).into();
        }
        let map = if index < 3 { &mut control_plane } else { &mut workers };
        map.insert(name, host);
    }
    Ok(serde_json::from_value(json!({
        "name": "prod", "kubernetes_version": VERSION, "api_endpoint": { "host": "10.1.0.1" },
        "control_plane": control_plane, "static_workers": workers,
    }))?)
}

/// All of them nodes of the cluster, each with a file that somebody edited, so that there is a step for each.
pub(crate) fn observed(hosts: usize) -> Result<Observed> {
    let states: Map<_, _> = names(hosts)
        .map(|name| {
            let mut state = facts(&name);
            state["state"] = "reached".into();
            (name, state)
        })
        .collect();
    let nodes: Map<_, _> = names(hosts)
        .enumerate()
        .map(|(index, name)| {
            let node = json!({
                "ready": true, "control_plane": index < 3, "kubelet_version": format!("v{VERSION}"),
                "container_runtime_version": "containerd://2.2.9",
            });
            (name, node)
        })
        .collect();
    let api = json!({
        "state": "answered", "cluster_uid": UID, "version": format!("v{VERSION}"), "nodes": nodes,
    });
    Ok(serde_json::from_value(json!({ "hosts": states, "api": api }))?)
}

/// What a finished node says of itself.
pub(crate) fn facts(name: &str) -> Value {
    let is_control_plane = name.starts_with("cp-");
    json!({
        "hostname": name,
        "machine_id": format!("machine of {name}"),
        "os": { "id": "debian", "id_like": "", "version_id": "12", "version_codename": "bookworm", "scripts": "debian" },
        "architecture": "amd64",
        "kernel": "6.1.0-30-amd64",
        "cgroup": "v2",
        "cpus": 4,
        "memory_mib": 8000,
        "marker": { "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "packages_kept": [] },
        "packages": { "kubelet": VERSION, "kubeadm": VERSION, "kubectl": VERSION, "containerd": "2.2.9" },
        "containerd_active": true,
        "kubelet_active": true,
        "kubernetes": {
            "admin_conf": is_control_plane, "kubelet_conf": true, "etcd_data": is_control_plane, "ca_sha256": "ab".repeat(32),
            "static_pods": if is_control_plane { json!(["etcd", "kube-apiserver"]) } else { json!([]) },
            "api_server": "https://10.1.0.1:6443",
        },
        "files": { "/etc/sysctl.d/99-kubeone.conf": "edited" },
    })
}
