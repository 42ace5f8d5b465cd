//! Bounds of containerd's settings.

use serde_json::{Value, json};

use super::{bound, found, texts, unreadable};

const CA: &str = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----";

#[test]
fn hosts_of_registries() {
    for host in ["*", "docker.io", "registry.k8s.io", "localhost", "registry:5000", "10.0.0.1:65535", "a-b.example.com"]
    {
        assert_eq!(found("/containerd/registries", json!({ host: {} })), [""; 0], "{host}");
    }
    for host in [
        "",
        "_default",
        "index.docker.io",
        "registry",
        "Docker.io",
        "..",
        "a..b",
        "a/b",
        "a b.example.com",
        "https://docker.io",
        "docker.io/library",
        "registry:0",
        "registry:65536",
        "registry:",
        "*.example.com",
    ] {
        assert_eq!(found("/containerd/registries", json!({ host: {} })), [format!("containerd.registries[{host:?}]")]);
    }
}

#[test]
fn registries() {
    let of = |field: &str, value: Value| json!({ "docker.io": { field: value } });
    let pointer = "/containerd/registries";
    let path = |field: &str| format!("containerd.registries[\"docker.io\"].{field}");
    let server = |url: &str| of("server", json!(url));
    bound(pointer, &path("server"), &[server("https://registry-1.docker.io")], &[server("registry-1.docker.io")]);
    bound(pointer, &path("ca"), &[of("ca", json!(CA))], &[of("ca", json!("")), of("ca", json!("/etc/ssl/ca.crt"))]);
    for (registry, field) in [(of("insecure", json!(true)), "insecure"), (server("http://docker.io"), "server")] {
        assert_eq!(found(pointer, registry), [format!("({})", path(field))]);
    }
    assert_eq!(found(pointer, of("insecure", json!(false))), [""; 0]);
}

#[test]
fn mirrors() {
    let of = |mirrors: Value| found("/containerd/registries", json!({ "*": { "mirrors": mirrors } }));
    let with = |field: &str, value: Value| of(json!([{ "url": "https://a.example.com", field: value }]));
    let path = |field: &str| [format!("containerd.registries[\"*\"].mirrors[0].{field}")];
    assert_eq!(of(json!([{ "url": "https://a.example.com" }, { "url": "https://b.example.com" }])), [""; 0]);
    assert_eq!(with("capabilities", json!(["pull", "resolve", "push"])), [""; 0]);
    assert_eq!(with("override_path", json!(true)), [""; 0]);
    assert_eq!(with("ca", json!(CA)), [""; 0]);
    assert_eq!(of(json!([{ "url": "a.example.com" }])), path("url"));
    assert_eq!(of(json!([{ "url": "http://a.example.com" }])), [format!("({})", path("url")[0])]);
    assert_eq!(with("capabilities", json!([])), path("capabilities"));
    assert_eq!(with("capabilities", json!(["pull", "pull"])), path("capabilities[1]"));
    assert_eq!(with("ca", json!("x")), path("ca"));
    assert_eq!(with("insecure", json!(true)), [format!("({})", path("insecure")[0])]);
    let twice = json!([{ "url": "https://a.example.com" }, { "url": "https://a.example.com" }]);
    assert_eq!(of(twice), ["containerd.registries[\"*\"].mirrors[1].url"]);
    let with =
        |field: &str, value: Value| json!({ "*": { "mirrors": [{ "url": "https://a.example.com", field: value }] } });
    unreadable(
        "/containerd/registries",
        &[with("capabilities", json!(["delete"])), json!({ "*": { "mirrors": [{}] } })],
    );
}

#[test]
fn credentials_of_registries() {
    let of = |host: &str, credentials: Value| {
        found("/containerd/registries", json!({ host: { "credentials": credentials } }))
    };
    let path = "containerd.registries[\"docker.io\"].credentials";
    for good in [json!({ "username": "a", "password": "b" }), json!({ "identity_token": "c" })] {
        assert_eq!(of("docker.io", good.clone()), [""; 0], "{good}");
        assert_eq!(of("*", good), ["containerd.registries[\"*\"].credentials"]);
    }
    for bad in [
        json!({}),
        json!({ "username": "a" }),
        json!({ "password": "b" }),
        json!({ "username": "a", "identity_token": "c" }),
        json!({ "username": "a", "password": "b", "identity_token": "c" }),
    ] {
        assert_eq!(of("docker.io", bad.clone()), [path], "{bad}");
    }
    for bad in ["", "a:b", "a\n"] {
        assert_eq!(of("docker.io", json!({ "username": bad, "password": "b" })), [format!("{path}.username")]);
    }
}

#[test]
fn sandbox_images() {
    let digest = format!("registry.k8s.io/pause:3.10.1@sha256:{}", "0a".repeat(32));
    let good = texts(&["registry.k8s.io/pause:3.10.1", &digest]);
    let bad = texts(&["", "pause", "pause:3.10.1", "registry.k8s.io/pause", &digest[..60]]);
    bound("/containerd/sandbox_image", "containerd.sandbox_image", &good, &bad);
}

#[test]
fn runtimes() {
    let named = |name: &str| found("/containerd/runtimes", json!({ name: { "type": "io.containerd.kata.v2" } }));
    for name in ["kata", "1", &"a".repeat(63)] {
        assert_eq!(named(name), [""; 0], "{name}");
    }
    for name in ["", "runc", "Kata", "a.b", "a_b", "-a", &"a".repeat(64)] {
        assert_eq!(named(name), [format!("containerd.runtimes[{name:?}]")]);
    }
    let pointer = "/containerd/runtimes";
    let of = |kind: &str| json!({ "a": { "type": kind } });
    let good = ["io.containerd.runc.v2", "io.containerd.runsc.v1", "io.containerd.kata-qemu.v2"].map(of);
    let bad = ["", "kata", "io.containerd.kata", "io.containerd.kata.v", "kata.v2", "io..kata.v2", "/bin/kata"].map(of);
    bound(pointer, "containerd.runtimes[\"a\"].type", &good, &bad);
    let of = |path: &str| json!({ "a": { "type": "io.containerd.kata.v2", "binary_path": path } });
    let (good, bad) = (["/opt/kata/bin/shim"].map(of), ["", "shim", "/", "/opt/../shim", "/opt//shim", "/a\n"].map(of));
    bound(pointer, "containerd.runtimes[\"a\"].binary_path", &good, &bad);
    let of = |option: &str| json!({ "a": { "type": "io.containerd.kata.v2", "options": { option: "true" } } });
    bound(pointer, "containerd.runtimes[\"a\"].options[\"\"]", &[of("SystemdCgroup")], &[of("")]);
    unreadable(pointer, &[json!({ "a": {} })]);
}

#[test]
fn default_runtimes() {
    let of =
        |name: &str| json!({ "default_runtime": name, "runtimes": { "kata": { "type": "io.containerd.kata.v2" } } });
    bound("/containerd", "containerd.default_runtime", &["runc", "kata"].map(of), &["", "gvisor"].map(of));
}

#[test]
fn overlays() {
    let longest = format!("#{}", "x".repeat((64 << 10) - 1));
    let good =
        texts(&["", "[plugins.'io.containerd.cri.v1.runtime']\nenable_selinux = true", "[x]\nversion = 2", &longest]);
    let bad = texts(&["version = 3", "version", "a = 1\na = 2", "[x", &format!("{longest}x")]);
    bound("/containerd/overlay", "containerd.overlay", &good, &bad);
}
