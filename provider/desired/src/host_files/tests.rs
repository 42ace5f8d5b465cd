//! The files of a host.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::expect;
use kubeone_facts::{Marker, OperatingSystem};
use serde_json::json;

use super::*;

fn spec() -> ClusterSpec {
    serde_json::from_value(json!({
        "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
        "control_plane": { "cp-1": { "address": "10.0.0.1" } },
    }))
    .unwrap()
}

fn facts(id: &str, id_like: &str, codename: &str) -> HostFacts {
    let os = OperatingSystem {
        id: id.to_owned(),
        id_like: id_like.to_owned(),
        version_codename: codename.to_owned(),
        scripts: Some(if format!("{id} {id_like}").contains("ubuntu") { "ubuntu" } else { "debian" }.to_owned()),
        ..OperatingSystem::default()
    };
    HostFacts { os, ..HostFacts::default() }
}

fn text(facts: &HostFacts) -> String {
    let files = files(&spec(), facts);
    files.iter().flat_map(|(path, content)| ["--- ", path, "\n", content]).collect()
}

#[test]
fn of_debian() {
    let facts = HostFacts { cgroup: CgroupVersion::V1, ..facts("debian", "", "bookworm") };
    expect![[r#"
        --- /etc/apt/sources.list.d/kubeone.sources
        Types: deb
        URIs: https://pkgs.k8s.io/core:/stable:/v1.35/deb/
        Suites: /
        Signed-By: /etc/apt/keyrings/kubeone-kubernetes.asc

        Types: deb
        URIs: https://download.docker.com/linux/debian
        Suites: bookworm
        Components: stable
        Signed-By: /etc/apt/keyrings/kubeone-docker.asc
        --- /etc/containerd/config.toml
        version = 3

        [plugins."io.containerd.cri.v1.images".pinned_images]
        sandbox = "registry.k8s.io/pause:3.10.1"

        [plugins."io.containerd.cri.v1.images".registry]
        config_path = "/etc/containerd/certs.d"

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = true
        --- /etc/kubeone/patches/kubeletconfiguration+merge.yaml
        failCgroupV1: false
        --- /etc/modules-load.d/kubeone.conf
        overlay
        br_netfilter
        --- /etc/sysctl.d/99-kubeone.conf
        net.bridge.bridge-nf-call-iptables = 1
        net.bridge.bridge-nf-call-ip6tables = 1
        net.ipv4.ip_forward = 1
    "#]]
    .assert_eq(&text(&facts));
}

#[test]
fn of_a_derivative_of_ubuntu() {
    let files = files(&spec(), &facts("linuxmint", "ubuntu debian", "noble"));
    expect![[r#"
        Types: deb
        URIs: https://pkgs.k8s.io/core:/stable:/v1.35/deb/
        Suites: /
        Signed-By: /etc/apt/keyrings/kubeone-kubernetes.asc

        Types: deb
        URIs: https://download.docker.com/linux/ubuntu
        Suites: noble
        Components: stable
        Signed-By: /etc/apt/keyrings/kubeone-docker.asc
    "#]]
    .assert_eq(&files[repositories::SOURCES]);
    assert!(!files.contains_key(KUBELET_PATCH));
}

#[test]
fn every_file_is_a_managed_one() {
    let facts = HostFacts { cgroup: CgroupVersion::V1, ..facts("debian", "", "bookworm") };
    let mut paths: Vec<_> = expected_files(&spec(), &facts).into_keys().collect();
    paths.sort();
    let mut managed = MANAGED_FILES.map(str::to_owned);
    managed.sort();
    assert_eq!(paths, managed);
}

#[test]
fn of_an_adopted_host() {
    let marker = Marker { adopted: true, ..Marker::default() }.into();
    let facts = HostFacts { marker, cgroup: CgroupVersion::V1, ..facts("debian", "", "bookworm") };
    expect![[r#"
        --- /etc/apt/sources.list.d/kubeone.sources
        Types: deb
        URIs: https://pkgs.k8s.io/core:/stable:/v1.35/deb/
        Suites: /
        Signed-By: /etc/apt/keyrings/kubeone-kubernetes.asc
        --- /etc/kubeone/patches/kubeletconfiguration+merge.yaml
        failCgroupV1: false
    "#]]
    .assert_eq(&text(&facts));
    assert_eq!(package_sources(&spec(), &facts).unwrap().1, files(&spec(), &facts)[repositories::SOURCES]);
}

#[test]
fn keys_belong_to_the_sources() {
    let facts = facts("ubuntu", "debian", "noble");
    let adopted = Marker { adopted: true, ..Marker::default() }.into();
    for (facts, count) in [(facts.clone(), 2), (HostFacts { marker: adopted, ..facts }, 1)] {
        let sources = &files(&spec(), &facts)[repositories::SOURCES];
        let keys = signing_keys(&spec(), spec().kubernetes_version, &facts);
        assert_eq!(keys.len(), count);
        assert_eq!(sources.matches("Signed-By: ").count(), count);
        for key in keys {
            assert!(sources.contains(&format!("Signed-By: {}\n", key.path)), "{}", key.path);
            assert!(KEYS.contains(&key.path), "{} would stay behind", key.path);
        }
        assert!(
            sources.lines().filter(|line| line.starts_with("URIs: ")).all(|line| line.starts_with("URIs: https://"))
        );
    }
}

/// One repository's key is not good for the other; one that the settings name is good for both.
#[test]
fn each_key_is_one_of_those_that_are_known_for_it() {
    let facts = facts("debian", "", "bookworm");
    let mut spec = spec();
    spec.packages.signing_key_fingerprints = vec!["0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567".to_owned()];
    let keys: Vec<_> = signing_keys(&spec, spec.kubernetes_version, &facts).iter().map(ToString::to_string).collect();
    expect![[r#"
        /etc/apt/keyrings/kubeone-kubernetes.asc https://pkgs.k8s.io/core:/stable:/v1.35/deb/Release.key DE15B14486CD377B9E876E1A234654DA9A296436,0123456789ABCDEF0123456789ABCDEF01234567
        /etc/apt/keyrings/kubeone-docker.asc https://download.docker.com/linux/debian/gpg 9DC858229FC7DD38854AE2D88D81803C0EBFCD88,0123456789ABCDEF0123456789ABCDEF01234567
    "#]]
    .assert_eq(&(keys.join("\n") + "\n"));
}
