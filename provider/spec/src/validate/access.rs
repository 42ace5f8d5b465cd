//! Validation of the settings of kubeconfigs and of the cluster status.

use std::time::Duration;

use crate::{ClusterReference, ClusterStatusSpec, FieldPath, Finding, KubeconfigSpec, Span};

/// The clocks of hosts and clients differ by some seconds, so a shorter lifetime may be over at once.
const SHORTEST: Duration = Duration::from_mins(1);
/// As long as kubeadm's own client certificates are valid; it warns about longer ones.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Errors in the settings of a kubeconfig.
pub fn validate_kubeconfig(spec: &KubeconfigSpec) -> Vec<Finding> {
    let mut findings: Vec<_> = cluster(&spec.cluster).into_iter().collect();
    findings.extend(lifetime(FieldPath::root("ttl"), spec.ttl));
    if spec.user.is_empty() || spec.user.contains(char::is_control) {
        findings.push(Finding::error(
            FieldPath::root("user"),
            "this is not a user name",
            "Write a name without line breaks, such as `terraform`.",
        ));
    }
    for (position, group) in spec.groups.iter().enumerate() {
        if group.is_empty() || group.contains(|c: char| c.is_control() || c == ',' || c == '"') {
            findings.push(Finding::error(
                FieldPath::root("groups").index(position),
                format!("`{group}` is not a group name"),
                "Write one group per element, without commas and quotes, such as `kubeadm:cluster-admins`.",
            ));
        }
    }
    if let Some(server) = &spec.server
        && server.strip_prefix("https://").is_none_or(str::is_empty)
    {
        findings.push(Finding::error(
            FieldPath::root("server"),
            format!("`{server}` is not the URL of a Kubernetes API"),
            "Write the full URL, such as `https://10.0.0.1:6443`.",
        ));
    }
    findings
}

/// Errors in the settings of a cluster status.
pub fn validate_cluster_status(spec: &ClusterStatusSpec) -> Vec<Finding> {
    cluster(&spec.cluster).into_iter().collect()
}

/// The error in the lifetime of a client certificate.
pub(super) fn lifetime(path: FieldPath, ttl: Span) -> Option<Finding> {
    (ttl.0 < SHORTEST || ttl.0 > LONGEST).then(|| {
        Finding::error(
            path,
            format!("a client certificate cannot be valid for {ttl}"),
            "Write a time from one minute (`1m`) to one year (`8760h`). The certificate cannot be revoked, so shorter is safer.",
        )
    })
}

fn cluster(cluster: &ClusterReference) -> Option<Finding> {
    cluster.control_plane.is_empty().then(|| {
        Finding::error(
            FieldPath::root("cluster").field("control_plane"),
            "the cluster has no control plane",
            "List its hosts as in `kubeone_cluster`, or write `cluster = kubeone_cluster.this`.",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_mistake_is_named_with_its_path() {
        let cases: [(&str, Value, &[&str]); 8] = [
            ("ttl", json!("1h"), &[]),
            ("server", json!("https://bastion:16443"), &[]),
            ("ttl", json!("30s"), &["ttl: a client certificate cannot be valid for 30s"]),
            ("ttl", json!("8761h"), &["ttl: a client certificate cannot be valid for 8761h"]),
            ("user", json!(""), &["user: this is not a user name"]),
            ("groups", json!(["a", "b,c"]), &["groups[1]: `b,c` is not a group name"]),
            ("server", json!("10.0.0.1"), &["server: `10.0.0.1` is not the URL of a Kubernetes API"]),
            ("server", json!("https://"), &["server: `https://` is not the URL of a Kubernetes API"]),
        ];
        for (field, value, expected) in cases {
            let mut settings = json!({ "cluster": {
                "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.1" },
                "control_plane": { "cp-1": { "address": "10.0.0.1" } },
            } });
            settings[field] = value;
            let found = validate_kubeconfig(&serde_json::from_value(settings).unwrap());
            let found: Vec<_> = found.iter().map(|it| format!("{}: {}", it.path, it.summary)).collect();
            assert_eq!(found, expected);
        }
    }
}
