//! Bounds of the settings of single nodes: names, addresses, kubelets, labels, taints.

use serde_json::{Value, json};

use super::super::validate_cluster;
use super::{bound, domain, found, paths, settings, texts, unreadable};

/// One host for each /24.
#[test]
fn room_for_nodes() {
    let hosts = |count: usize| -> Value {
        (2..=count)
            .map(|n| (format!("w-{n}"), json!({ "address": format!("10.0.{}.{}", n / 200, n % 200 + 1) })))
            .collect()
    };
    let found = |subnet: &str, cni: &str, count| {
        let mut settings = settings();
        settings["cluster_network"] = json!({ "pod_subnet": subnet, "cni": cni });
        settings["static_workers"] = hosts(count);
        paths(validate_cluster(&serde_json::from_value(settings).unwrap()))
    };
    for (subnet, room) in [("172.16.0.0/24", 1), ("172.16.0.0/23", 2), ("172.16.0.0/22", 4), ("172.16.0.0/16", 256)] {
        assert_eq!(found(subnet, "canal", room), [""; 0], "{subnet}");
        assert_eq!(found(subnet, "canal", room + 1), ["cluster_network.pod_subnet"], "{subnet}");
        assert_eq!(found(subnet, "none", room + 1), ["(cluster_network.pod_subnet)"], "{subnet}");
    }
    assert_eq!(found("172.16.0.0/25", "canal", 9), ["cluster_network.pod_subnet"], "only its size is reported");
}

#[test]
fn addresses_of_nodes() {
    let good = texts(&[
        "10.0.0.2",
        "169.253.255.255",
        "169.255.0.0",
        "223.255.255.255",
        "worker.example.com",
        "1.example.com",
    ]);
    let bad = texts(&[
        "127.0.0.1",
        "127.255.255.255",
        "0.0.0.0",
        "169.254.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::1",
        "2001:db8::1",
        "10.0.0.256",
        "10.0.0",
        "12345",
        "",
        "a_b",
        "https://x",
        "10.0.0.2:22",
    ]);
    bound("/static_workers/w-1/address", r#"static_workers["w-1"].address"#, &good, &bad);
    let bad = texts(&["127.0.0.1", "::1", "2001:db8::1", "worker.example.com", "10.0.0.256", ""]);
    bound(
        "/static_workers/w-1/private_address",
        r#"static_workers["w-1"].private_address"#,
        &texts(&["10.1.0.2"]),
        &bad,
    );
    bound("/control_plane/cp-1/address", r#"control_plane["cp-1"].address"#, &texts(&["10.0.0.2"]), &texts(&["::1"]));
}

#[test]
fn addresses_inside_the_cluster() {
    let good = texts(&["10.243.255.255", "10.245.0.0", "10.95.255.255", "10.112.0.0"]);
    let bad = texts(&["10.244.0.0", "10.244.255.255", "10.96.0.0", "10.111.255.255"]);
    bound("/static_workers/w-1/address", r#"static_workers["w-1"].address"#, &good, &bad);
    bound("/api_endpoint/host", "api_endpoint.host", &good, &bad);
    bound("/static_workers/w-1/private_address", r#"static_workers["w-1"].private_address"#, &good, &bad);
}

#[test]
fn names_of_nodes() {
    let host = || json!({ "address": "10.0.0.2" });
    for name in ["1", "a", "w-1.example.com", &domain(63)] {
        assert_eq!(found("/static_workers", json!({ name: host() })), [""; 0], "{name}");
    }
    for name in ["", "-a", "a-", "A", "a_b", "a..b", &"a".repeat(64), &format!("{}.b", "a".repeat(62))] {
        assert_eq!(found("/static_workers", json!({ name: host() })).len(), 1, "{name}");
    }
}

#[test]
fn host_keys() {
    let good = [json!("ssh-ed25519 AAAA"), json!("ssh-ed25519 AAAA root@w-1")];
    let bad = [json!(""), json!("AAAA"), json!(" AAAA ")];
    bound("/static_workers/w-1/ssh_host_key", r#"static_workers["w-1"].ssh_host_key"#, &good, &bad);
}

#[test]
fn settings_of_kubelets() {
    let number = |field: &str, least: u32| {
        let pointer = format!("/static_workers/w-1/kubelet/{field}");
        let path = format!("static_workers[\"w-1\"].kubelet.{field}");
        let good = [json!({ field: least }), json!({ field: i32::MAX })];
        let bad = [json!({ field: least - 1 }), json!({ field: i32::MAX.unsigned_abs() + 1 })];
        let parent = pointer.rsplit_once('/').unwrap().0;
        bound(parent, &path, &good, &bad);
    };
    for (field, least) in
        [("max_pods", 1), ("pod_pids_limit", 1), ("max_parallel_image_pulls", 1), ("container_log_max_files", 2)]
    {
        number(field, least);
    }
    let kubelet = "/static_workers/w-1/kubelet";
    let images =
        |low: u8, high: u8| json!({ "image_gc_low_threshold_percent": low, "image_gc_high_threshold_percent": high });
    let path = r#"static_workers["w-1"].kubelet.image_gc_high_threshold_percent"#;
    bound(
        kubelet,
        path,
        &[images(0, 1), images(99, 100)],
        &[images(0, 0), images(50, 50), images(51, 50), images(99, 101)],
    );
    let limit = |value: &str| json!({ "eviction_hard": { "memory.available": value } });
    let path = r#"static_workers["w-1"].kubelet.eviction_hard["memory.available"]"#;
    let good = [limit("0%"), limit("100%"), limit("100.0%"), limit("1Pi"), limit("0"), limit("5m"), limit("1.5")];
    let bad =
        [limit("100.1%"), limit("101%"), limit("%"), limit("1.%"), limit("1Ei1"), limit("1Xi"), limit("-1"), limit("")];
    bound(kubelet, path, &good, &bad);
    let shutdown = |all: &str, critical: &str| json!({ "shutdown_grace_period": all, "shutdown_grace_period_critical_pods": critical });
    let path = r#"static_workers["w-1"].kubelet.shutdown_grace_period_critical_pods"#;
    bound(kubelet, path, &[shutdown("10s", "10s"), shutdown("10s", "9s")], &[shutdown("10s", "11s")]);
}

#[test]
fn kernel_settings_of_pods() {
    let sysctl = |name: &str| json!({ "allowed_unsafe_sysctls": [name] });
    let path = r#"static_workers["w-1"].kubelet.allowed_unsafe_sysctls[0]"#;
    let good = [
        "net.core.somaxconn",
        "net.*",
        "net.ipv4.*",
        "kernel.shm*",
        "kernel.shmmax",
        "kernel.msgmax",
        "kernel.sem",
        "kernel.sem*",
        "fs.mqueue.*",
    ];
    let bad = [
        "",
        "*",
        "net",
        "net.",
        "net..x",
        "net.core.*.x",
        "net.core somaxconn",
        "net.x;y",
        "net.X",
        "kernel.semaphore",
        "kernel.*",
        "kernel.sh*",
        "fs.file-max",
        "vm.swappiness",
        "netx.y",
        "net.-x",
        "net.x-",
    ];
    bound("/static_workers/w-1/kubelet", path, &good.map(sysctl), &bad.map(sysctl));
    let longest = format!("net.{}", "a".repeat(249));
    bound("/static_workers/w-1/kubelet", path, &[sysctl(&longest)], &[sysctl(&format!("{longest}a"))]);
}

#[test]
fn keys_and_values_on_nodes() {
    let name = |length: usize| "a".repeat(length);
    let label = |key: &str, value: &str| json!({ key: value });
    let labels = "/static_workers/w-1/labels";
    let taken = [
        label(&name(63), &name(63)),
        label("a", ""),
        label(&format!("{}/a", domain(253)), "a"),
        label("A_b.c-d", "A_b.c-d"),
        label("node-role.kubernetes.io/worker", ""),
    ];
    for label in taken {
        assert_eq!(found(labels, label.clone()), [""; 0], "{label}");
    }
    let refused = [
        label(&name(64), "a"),
        label("a", &name(64)),
        label("", "a"),
        label(&format!("{}/a", domain(254)), "a"),
        label("a/", "a"),
        label("/a", "a"),
        label("a", "-"),
        label("a", "a."),
        label("a", "a b"),
        label("node-role.kubernetes.io/control-plane", ""),
    ];
    for label in refused {
        assert_eq!(found(labels, label.clone()).len(), 1, "{label}");
    }
    let all = 256 << 10;
    let annotations = |size: usize| json!({ "ab": name(size / 2 - 2), "cd": name(size - size / 2 - 2) });
    let path = r#"static_workers["w-1"].annotations"#;
    bound("/static_workers/w-1/annotations", path, &[annotations(all)], &[annotations(all + 1)]);
}

#[test]
fn taints_of_nodes() {
    let taint = |key: &str, value: &str, effect: &str| json!([{ "key": key, "value": value, "effect": effect }]);
    let taints = "/static_workers/w-1/taints";
    for effect in ["NoSchedule", "PreferNoSchedule", "NoExecute"] {
        assert_eq!(found(taints, taint(&"a".repeat(63), &"a".repeat(63), effect)), [""; 0]);
    }
    assert_eq!(found(taints, taint(&"a".repeat(64), "", "NoExecute")), [r#"static_workers["w-1"].taints[0].key"#]);
    assert_eq!(found(taints, taint("a", &"a".repeat(64), "NoExecute")), [r#"static_workers["w-1"].taints[0].value"#]);
    unreadable(taints, &[taint("a", "", "noschedule"), taint("a", "", "")]);
    let twice = json!([{ "key": "a", "effect": "NoExecute" }, { "key": "a", "effect": "NoSchedule" }]);
    assert_eq!(found(taints, twice), [""; 0], "another effect is another taint");
}
