//! What unset settings mean. Changing a default changes every cluster that relies on it.

use serde_json::{Value, json};

use crate::{
    ClusterSpec, ClusterStatusSpec, HostKeyPolicy, KubeconfigSpec, KubeletSpec, ProviderSpec, Role,
    UnpinnedControlPlane,
};

/// A cluster with only the required settings.
fn minimal() -> Value {
    json!({
        "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.1" },
        "control_plane": { "cp-1": { "address": "10.0.0.11" } },
    })
}

#[test]
fn a_cluster_means_the_documented_defaults() {
    let spec: ClusterSpec = serde_json::from_value(minimal()).unwrap();
    let expected = json!({
        "name": "prod",
        "kubernetes_version": "1.35.4",
        "api_endpoint": { "host": "10.0.0.1", "port": 6443 },
        "control_plane": { "cp-1": { "address": "10.0.0.11" } },
        "static_workers": {},
        "cluster_network": {
            "pod_subnet": "10.244.0.0/16", "service_subnet": "10.96.0.0/12", "cluster_domain": "cluster.local", "cni": "canal",
        },
        "roll_control_plane": false,
        "drain": { "timeout": "5m", "on_timeout": "fail" },
        "upgrade": { "max_unavailable": "1", "drain": "minor" },
        "containerd": {},
        "packages": {},
        "images": {},
        "hardening": {
            "profiling": false, "anonymous_access": "health_checks", "tls_min_version": "1.2",
            "terminated_pod_gc_threshold": 1000, "request_timeout": "1m", "etcd_corruption_checks": true,
        },
        "backup": { "keep": 5, "before_upgrade": true },
        "kubeconfig": { "store_in_state": false, "ttl": "8760h" },
        "certificates": { "renew_before": "720h" },
        "deletion": {
            "protection": true, "unreachable_hosts": "skip", "remove_packages": true, "keep_snapshots": false,
        },
        "timeouts": { "create": "1h", "update": "2h", "delete": "30m", "read": "1m", "lock": "10m" },
    });
    assert_eq!(serde_json::to_value(spec).unwrap(), expected);
}

#[test]
fn a_cluster_status_means_the_documented_defaults() {
    let spec: ClusterStatusSpec = serde_json::from_value(json!({ "cluster": minimal() })).unwrap();
    assert_eq!((spec.timeout.to_string(), spec.certificates_valid_for.to_string()), ("1m".into(), "168h".into()));
}

#[test]
fn a_kubeconfig_means_the_documented_defaults() {
    let spec: KubeconfigSpec = serde_json::from_value(json!({ "cluster": minimal() })).unwrap();
    assert_eq!((spec.user.as_str(), spec.ttl.to_string(), spec.server.as_deref()), ("terraform", "1h".into(), None));
    assert_eq!(spec.groups, ["kubeadm:cluster-admins"]);
    assert_eq!(spec.host(), "https://10.0.0.1:6443");
    let administrator = KubeconfigSpec::for_administrator(spec.cluster.clone(), spec.ttl);
    assert_eq!(administrator, spec);
}

#[test]
fn a_provider_means_the_documented_defaults() {
    let spec: ProviderSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!((spec.ssh.user.as_str(), spec.ssh.port), ("root", 22));
    assert_eq!(spec.ssh.host_key_policy, HostKeyPolicy::AcceptNew);
    assert_eq!(spec.ssh.unpinned_control_plane, UnpinnedControlPlane::Warn);
    assert_eq!((spec.ssh.known_hosts_file.as_str(), spec.ssh.connect_timeout_seconds), ("~/.ssh/known_hosts", 20));
    assert!(!spec.ssh.agent && spec.ssh.bastion.is_none());
    assert!(!spec.progress.terminal && spec.progress.folder.is_none());
}

#[test]
fn hosts_are_found_by_their_names_whatever_their_role() {
    let mut settings = minimal();
    settings["static_workers"] = json!({ "w-1": { "address": "10.0.0.21" } });
    let spec: ClusterSpec = serde_json::from_value(settings).unwrap();
    let address = |name: &str| spec.host(name).map(|host| host.address.as_str());
    assert_eq!([address("cp-1"), address("w-1"), address("w-2")], [Some("10.0.0.11"), Some("10.0.0.21"), None]);
    let roles: Vec<_> = spec.hosts().map(|(name, role, _)| (name, role)).collect();
    assert_eq!(roles, [("cp-1", Role::ControlPlane), ("w-1", Role::Worker)]);
}

#[test]
fn a_kubelet_with_any_setting_is_not_empty() {
    let is_empty = |settings: Value| serde_json::from_value::<KubeletSpec>(settings).unwrap().is_empty();
    assert!(is_empty(json!({})));
    assert!(!is_empty(json!({ "max_pods": 200 })));
}
