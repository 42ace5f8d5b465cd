//! Bounds of the audit log.

use serde_json::{Value, json};

use super::{bound, unreadable};

/// The least that the API server can call.
const KUBECONFIG: &str = r#"{
    "current-context": "a", "contexts": [{ "name": "a", "context": { "cluster": "a" } }],
    "clusters": [{ "name": "a", "cluster": { "server": "https://audit.example.com" } }]
}"#;

#[test]
fn numbers_of_log_files() {
    for (field, most) in [("max_age_days", 36_500), ("max_backups", 10_000), ("max_size_mib", 100_000)] {
        let log = |value: u32| json!({ "log": { field: value } });
        bound("/audit", &format!("audit.log.{field}"), &[log(1), log(most)], &[log(0), log(most + 1)]);
        unreadable("/audit", &[json!({ "log": { field: -1 } })]);
    }
    unreadable("/audit", &[json!({ "log": { "format": "text" } })]);
}

#[test]
fn events_go_somewhere() {
    let webhook = json!({ "kubeconfig": KUBECONFIG });
    let good = [json!({}), json!({ "webhook": webhook }), json!({ "log": { "enabled": false }, "webhook": webhook })];
    bound("/audit", "audit.log.enabled", &good, &[json!({ "log": { "enabled": false } })]);
}

#[test]
fn policies() {
    let policy = |level: &str| json!({ "policy": format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{ level: {level} }}]") });
    let good = ["None", "Metadata", "Request", "RequestResponse"].map(policy);
    bound("/audit", "audit.policy", &good, &[policy("All"), json!({ "policy": "" })]);
}

#[test]
fn webhooks() {
    let webhook = |field: &str, value: Value| json!({ "webhook": { "kubeconfig": KUBECONFIG, field: value } });
    bound("/audit", "audit.webhook.kubeconfig", &[], &[json!({ "webhook": {} }), webhook("kubeconfig", json!("x"))]);
    let size = |value: u32| webhook("batch_max_size", json!(value));
    bound("/audit", "audit.webhook.batch_max_size", &[size(1), size(10_000)], &[size(0), size(10_001)]);
    let blocking = |field: &str, value: Value| json!({ "webhook": { "kubeconfig": KUBECONFIG, "mode": "blocking", field: value } });
    let good = [blocking("truncate", json!(true)), blocking("initial_backoff", json!("1s"))];
    bound("/audit", "audit.webhook.batch_max_size", &good, &[blocking("batch_max_size", json!(1))]);
    bound("/audit", "audit.webhook.batch_max_wait", &[], &[blocking("batch_max_wait", json!("1s"))]);
    unreadable("/audit", &[webhook("mode", json!("blocking_strict")), webhook("initial_backoff", json!("0s"))]);
}
