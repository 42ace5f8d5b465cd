//! Both sides of each bound: the last value that Kubernetes accepts has no finding, and the first one that it refuses
//! has one, at its attribute.

mod audit;
mod hardening;
mod nodes;

use serde_json::{Value, json};

use super::*;

/// The paths of the errors, and of the warnings in parentheses.
fn paths(findings: Vec<Finding>) -> Vec<String> {
    let text = |it: Finding| match it.severity {
        crate::Severity::Error => it.path.to_string(),
        crate::Severity::Warning => format!("({})", it.path),
    };
    findings.into_iter().map(text).collect()
}

fn settings() -> Value {
    json!({
        "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.100" },
        "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        "static_workers": { "w-1": { "address": "10.0.0.9" } },
        "cluster_network": {}, "kubeconfig": { "store_in_state": true }, "certificates": {}, "backup": {},
        "hardening": {},
    })
}

/// The findings when the value is set; a value that cannot be decoded is an error, too.
fn found(pointer: &str, value: Value) -> Vec<String> {
    let mut settings = settings();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    settings.pointer_mut(parent).unwrap()[field] = value;
    match serde_json::from_value(settings) {
        Ok(spec) => paths(validate_cluster(&spec)),
        Err(error) => vec![format!("unreadable: {error}")],
    }
}

/// All of `good` is accepted, and each of `bad` is one error at `path`.
#[track_caller]
fn bound(pointer: &str, path: &str, good: &[Value], bad: &[Value]) {
    for value in good {
        assert_eq!(found(pointer, value.clone()), [""; 0], "{pointer} {value}");
    }
    for value in bad {
        assert_eq!(found(pointer, value.clone()), [path], "{pointer} {value}");
    }
}

#[track_caller]
fn unreadable(pointer: &str, bad: &[Value]) {
    for value in bad {
        let found = found(pointer, value.clone());
        assert!(found[0].starts_with("unreadable: "), "{pointer} {value}: {found:?}");
    }
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!(text)).collect()
}

/// A domain of this length, of labels of 63 letters.
fn domain(length: usize) -> String {
    let mut text: String = (1..=length).map(|n| if n % 64 == 0 { '.' } else { 'a' }).collect();
    if text.ends_with('.') {
        text.replace_range(length - 1.., "a");
    }
    text
}

#[test]
fn sizes_of_subnets() {
    let good = texts(&["172.16.0.0/23", "172.16.0.0/12", "172.0.0.0/8"]);
    let bad = texts(&["172.16.0.0/25", "172.16.0.0/32", "172.0.0.0/7", "fd00::/48", "fd00::/120"]);
    bound("/cluster_network/pod_subnet", "cluster_network.pod_subnet", &good, &bad);
    let good = texts(&["172.16.0.0/12", "172.16.0.0/28"]);
    let bad = texts(&["172.0.0.0/11", "172.16.0.0/29", "172.16.0.1/32", "fd00::/108", "fd00::/112"]);
    bound("/cluster_network/service_subnet", "cluster_network.service_subnet", &good, &bad);
    unreadable("/cluster_network/pod_subnet", &texts(&["", "10.244.0.0", "10.244.0.0/33", "10.244.0/16", "x"]));
}

#[test]
fn subnets_that_share_an_address() {
    let services = |subnet: &str| found("/cluster_network/service_subnet", json!(subnet));
    assert_eq!(services("10.243.0.0/16"), [""; 0]);
    assert_eq!(services("10.245.0.0/16"), [""; 0]);
    for subnet in ["10.244.0.0/16", "10.244.255.240/28", "10.240.0.0/12"] {
        assert_eq!(services(subnet), ["cluster_network.service_subnet"], "{subnet}");
    }
    // It also contains addresses before the one that is written.
    assert_eq!(found("/cluster_network/pod_subnet", json!("10.0.0.0/8")).len(), 4, "services, hosts and the API");
}

#[test]
fn ports() {
    bound("/api_endpoint/port", "api_endpoint.port", &[json!(1), json!(65535)], &[json!(0)]);
    let path = r#"static_workers["w-1"].ssh_port"#;
    bound("/static_workers/w-1/ssh_port", path, &[json!(1), json!(65535)], &[json!(0)]);
    for pointer in ["/api_endpoint/port", "/static_workers/w-1/ssh_port"] {
        unreadable(pointer, &[json!(65536), json!(-1), json!("22")]);
    }
}

#[test]
fn ports_and_timeouts_of_the_provider() {
    let found = |ssh: Value| {
        let spec = serde_json::from_value(json!({ "ssh": ssh })).unwrap();
        paths(validate_provider(&spec))
    };
    let bastion = |port: Value| json!({ "bastion": { "host": "b.example.com", "port": port } });
    for good in [
        json!({}),
        json!({ "port": 1 }),
        json!({ "port": 65535 }),
        json!({ "connect_timeout_seconds": 1 }),
        bastion(json!(1)),
    ] {
        assert_eq!(found(good), [""; 0]);
    }
    assert_eq!(found(json!({ "port": 0 })), ["ssh.port"]);
    assert_eq!(found(json!({ "connect_timeout_seconds": 0 })), ["ssh.connect_timeout_seconds"]);
    assert_eq!(found(bastion(json!(0))), ["ssh.bastion.port"]);
    assert_eq!(found(json!({ "bastion": { "host": "10.0.0.256" } })), ["ssh.bastion.host"]);
}

#[test]
fn names() {
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    let good = texts(&["a", "a-1", &longest]);
    let bad = texts(&["", "1a", "-a", "a-", "A", "a.b", "a_b", "ä", &too_long]);
    bound("/name", "name", &good, &bad);
    let (longest, too_long) = (domain(253), domain(254));
    let good = texts(&["local", "cluster.local", "1.2", &longest]);
    let bad = texts(&["", ".local", "local.", "a..b", "Local", &too_long]);
    bound("/cluster_network/cluster_domain", "cluster_network.cluster_domain", &good, &bad);
    let good = texts(&["API.example.com", &longest]);
    bound("/api_endpoint/host", "api_endpoint.host", &good, &texts(&["", "10.0.0.256", &too_long]));
}

#[test]
fn how_many_control_planes() {
    let of = |count: usize| {
        let host = |n| (format!("cp-{n}"), json!({ "address": format!("10.0.0.{n}") }));
        let mut settings = settings();
        settings["control_plane"] = (1..=count).map(host).collect();
        settings["static_workers"] = json!({});
        paths(validate_cluster(&serde_json::from_value(settings).unwrap()))
    };
    assert_eq!(of(0), ["control_plane"]);
    for count in 1..=9 {
        let expected: &[&str] = if count % 2 == 0 { &["(control_plane)"] } else { &[] };
        assert_eq!(of(count), expected, "{count}");
    }
}

#[test]
fn the_reported_fault_tolerance_of_etcd_is_right() {
    let host = |n| (format!("cp-{n}"), json!({ "address": format!("10.0.0.{n}") }));
    for (count, expected) in
        [(2, "loss of 0 of 2 members, the same as with 1."), (4, "loss of 1 of 4 members, the same as with 3.")]
    {
        let mut settings = settings();
        settings["control_plane"] = (1..=count).map(host).collect();
        let found = validate_cluster(&serde_json::from_value(settings).unwrap());
        assert!(found.iter().any(|it| it.detail.contains(expected)), "{found:?}");
    }
}

#[test]
fn releases() {
    let good = texts(&["1.34.0", "1.37.99"]);
    let bad = texts(&["1.33.99", "1.38.0", "0.35.0", "2.35.0"]);
    bound("/kubernetes_version", "kubernetes_version", &good, &bad);
    unreadable("/kubernetes_version", &texts(&["1.36.65536", "1.36", "", "v", "1.36.3 "]));
}

#[test]
fn lengths_of_time() {
    let ttl = "kubeconfig.ttl";
    bound("/kubeconfig/ttl", ttl, &texts(&["1m", "8760h"]), &texts(&["59s", "8760h1s", "87600h"]));
    let renewal = "certificates.renew_before";
    bound("/certificates/renew_before", renewal, &texts(&["1s", "4380h"]), &texts(&["4380h1s", "87600h"]));
    unreadable("/kubeconfig/ttl", &texts(&["0s", "87600h1s", "5000000000000000h", "", "1d", "-1h"]));
    // Such a kubeconfig is not stored, so its lifetime does not matter.
    let mut settings = settings();
    settings["kubeconfig"] = json!({ "store_in_state": false, "ttl": "1s" });
    assert_eq!(paths(validate_cluster(&serde_json::from_value(settings).unwrap())), [""; 0]);
}

#[test]
fn snapshots() {
    bound("/backup/keep", "backup.keep", &[json!(1), json!(65535)], &[json!(0)]);
    unreadable("/backup/keep", &[json!(65536), json!(-1)]);
    bound("/backup/trigger", "backup.trigger", &texts(&["x"]), &texts(&[""]));
    bound("/backup/copy_to", "backup.copy_to", &texts(&["~"]), &texts(&[""]));
}
