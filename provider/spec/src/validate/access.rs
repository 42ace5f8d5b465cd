//! What can be wrong with the settings of a way into a cluster, or of a look at one.

use std::time::Duration;

use crate::{ClusterReference, ClusterStatusSpec, FieldPath, Finding, KubeconfigSpec, Span};

/// The clocks of hosts and clients differ by some seconds.
const SHORTEST: Duration = Duration::from_mins(1);
/// As long as kubeadm's own client certificates; of longer ones it warns.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// All that is wrong with the settings of a kubeconfig.
pub fn validate_kubeconfig(spec: &KubeconfigSpec) -> Vec<Finding> {
    let mut findings: Vec<_> = cluster(&spec.cluster).into_iter().collect();
    findings.extend(lifetime(FieldPath::root("ttl"), spec.ttl));
    if spec.user.is_empty() || spec.user.contains(char::is_control) {
        findings.push(Finding::error(
            FieldPath::root("user"),
            "this is not the name of a user",
            "Write a name without line breaks, such as `terraform`.",
        ));
    }
    for (position, group) in spec.groups.iter().enumerate() {
        if group.is_empty() || group.contains(|c: char| c.is_control() || c == ',' || c == '"') {
            findings.push(Finding::error(
                FieldPath::root("groups").index(position),
                format!("`{group}` is not the name of a group"),
                "Write one group for each element, without commas and quotes, such as `kubeadm:cluster-admins`.",
            ));
        }
    }
    if let Some(server) = &spec.server
        && server.strip_prefix("https://").is_none_or(str::is_empty)
    {
        findings.push(Finding::error(
            FieldPath::root("server"),
            format!("`{server}` is not the URL of a Kubernetes API"),
            "Write the whole URL, such as `https://10.0.0.1:6443`.",
        ));
    }
    findings
}

/// All that is wrong with the settings of a look at a cluster.
pub fn validate_cluster_status(spec: &ClusterStatusSpec) -> Vec<Finding> {
    cluster(&spec.cluster).into_iter().collect()
}

/// What is wrong with how long a client certificate shall be valid.
pub(super) fn lifetime(path: FieldPath, ttl: Span) -> Option<Finding> {
    (ttl.0 < SHORTEST || ttl.0 > LONGEST).then(|| {
        Finding::error(
            path,
            format!("a client certificate cannot be valid for {ttl}"),
            "Choose between one minute (`1m`) and one year (`8760h`). It cannot be revoked, so shorter is safer.",
        )
    })
}

fn cluster(cluster: &ClusterReference) -> Option<Finding> {
    cluster.control_plane.is_empty().then(|| {
        Finding::error(
            FieldPath::root("cluster").field("control_plane"),
            "the cluster has no control plane",
            "Name its hosts as in `kubeone_cluster`, or write `cluster = kubeone_cluster.this`.",
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
            ("user", json!(""), &["user: this is not the name of a user"]),
            ("groups", json!(["a", "b,c"]), &["groups[1]: `b,c` is not the name of a group"]),
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
