//! What each step asks of hosts and of the API, in which order, and what it leaves alone.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod adopt;
mod backup;
mod checked_snapshot;
mod configure;
mod lies;
mod markers;
mod packages;
mod repairs;
mod restore;
mod restore_again;

use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::{Expect, expect};
use kubeone_hosts::{Call, FakeHost, Host, RemoteFile};
use kubeone_kubernetes::FakeApi;
use kubeone_plan::wanted::Wanted;
use kubeone_spec::{ClusterSpec, KubernetesVersion, Role};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::machines::Hosts;
use crate::report::Outcome;

const VERSION: KubernetesVersion = KubernetesVersion::new(1, 35, 4);
const UID: &str = "00000000-0000-0000-0000-000000000001";

fn spec() -> ClusterSpec {
    serde_json::from_value(json!({
        "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
        "control_plane": { "cp-1": { "address": "10.0.0.1" }, "cp-2": { "address": "10.0.0.2" } },
        "static_workers": { "w-1": { "address": "10.0.0.3", "labels": { "tier": "blue" } } },
    }))
    .unwrap()
}

/// What the observing script prints for a Debian host, with some of it replaced.
fn seen(changes: Value) -> String {
    let mut seen = json!({
        "os": { "id": "debian", "version_codename": "bookworm" }, "architecture": "amd64", "cgroup": "v2",
        "marker": "", "etcd_members": "",
    });
    if let (Value::Object(seen), Value::Object(changes)) = (&mut seen, changes) {
        seen.extend(changes);
    }
    seen.to_string()
}

fn marker(uid: Option<&str>) -> String {
    json!({ "cluster": "prod", "uid": uid, "provider_version": "0.1.0" }).to_string()
}

/// The marker that a step left on the host.
fn marker_on(host: &FakeHost) -> Marker {
    serde_json::from_slice(host.file(kubeone_facts::marker::PATH).unwrap().content.expose()).unwrap()
}

/// A finished control plane as others find it.
fn peer() -> FakeHost {
    peer_named("cp-1")
}

fn peer_named(name: &str) -> FakeHost {
    let pki = [
        "ca.crt",
        "ca.key",
        "sa.pub",
        "sa.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "etcd/ca.crt",
        "etcd/ca.key",
    ];
    pki.into_iter()
        .fold(FakeHost::new(name), |host, name| {
            let content: &[u8] = match name {
                "ca.crt" => include_bytes!("../testdata/ca.crt"),
                _ => name.as_bytes(),
            };
            host.has_file(RemoteFile::private(format!("/etc/kubernetes/pki/{name}"), content))
        })
        .has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker(Some(UID))))
}

/// Hosts as the engine takes them, and as the test looks at them.
fn hosts<const N: usize>(hosts: [FakeHost; N]) -> (Hosts, BTreeMap<String, Arc<FakeHost>>) {
    let hosts = hosts.map(|host| (host.name().to_owned(), Arc::new(host)));
    let seen = hosts.iter().map(|(name, host)| (name.clone(), host.clone() as Arc<dyn Host>)).collect();
    (Hosts { wanted: seen, leaving: BTreeMap::new() }, hosts.into_iter().collect())
}

fn log(host: &FakeHost, expected: &Expect) {
    assert_eq!(host.unused(), Vec::<String>::new());
    expected.assert_eq(&(host.log().join("\n") + "\n"));
}

fn variable(host: &FakeHost, script: &str, variable: &str) -> String {
    let of = |call: &Call| match call {
        Call::Run(run) | Call::RunUnit { script: run, .. } if run.name() == script => {
            run.value(variable).map(str::to_owned)
        }
        _ => None,
    };
    host.calls().iter().find_map(of).unwrap()
}

fn expect_namespace(api: &FakeApi) {
    api.expect(
        "GET /api/v1/namespaces/kube-system",
        200,
        &json!({ "metadata": { "name": "kube-system", "uid": UID } }),
    );
}

/// The Node of a control plane as kubeadm leaves it.
fn expect_control_plane(api: &FakeApi, name: &str) {
    let taint = json!({ "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" });
    let node = json!({ "metadata": { "name": name }, "spec": { "taints": [taint] } });
    api.expect(&format!("GET /api/v1/nodes/{name}"), 200, &node);
}

fn expect_nodes(api: &FakeApi, nodes: &[Value]) {
    api.expect("GET /api/v1/nodes", 200, &json!({ "metadata": {}, "items": nodes }));
}

#[tokio::test]
async fn a_bare_host_is_prepared() {
    let spec = spec();
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "packages": { "kubectl": "1.30.0" } })))
        .answers("os/linux/keep_originals.sh", "")
        .answers("os/linux/configure_kernel.sh", "")
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/pull_images.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let outcome = prepare_host::run(&cx, "cp-1", Role::ControlPlane, VERSION).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
    let host = &fakes["cp-1"];
    log(
        host,
        &expect![[r#"
            run os/linux/observe.sh
            run os/linux/keep_originals.sh
            write /etc/kubeone/cluster.json 644
            write /etc/apt/sources.list.d/kubeone.sources 644
            write /etc/containerd/config.toml 644
            write /etc/modules-load.d/kubeone.conf 644
            write /etc/sysctl.d/99-kubeone.conf 644
            run os/linux/configure_kernel.sh
            run os/debian/install_packages.sh as kubeone-prepare
            run os/linux/pull_images.sh
        "#]],
    );
    let marker = marker_on(host);
    assert_eq!((marker.uid, marker.packages_kept), (None, vec!["kubectl".to_owned()]));
    assert_eq!(variable(host, "os/debian/install_packages.sh", "CONTAINERD_VERSION"), "2.");
}

#[tokio::test]
async fn a_host_of_somebody_else_is_not_touched() {
    let spec = spec();
    for strange in [
        json!({ "marker": r#"{"cluster":"other","provider_version":"0.1.0"}"# }),
        json!({ "kubernetes": { "kubelet_conf": true } }),
        json!({ "kubelet_active": true }),
    ] {
        let (hosts, fakes) = hosts([FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(strange))]);
        let wanted = Wanted::new(spec.clone());
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        let error = prepare_host::run(&cx, "cp-1", Role::Worker, VERSION).await.unwrap_err();
        assert!(matches!(error, StepError::NotOurs(_)), "{error}");
        log(&fakes["cp-1"], &expect![["run os/linux/observe.sh\n"]]);
    }
}

#[tokio::test]
async fn the_first_control_plane_is_initialised() {
    let spec = spec();
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })))
        .answers("os/linux/kubeadm_init.sh", "")
        .answers("os/linux/remove_super_admin.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_control_plane(&api, "cp-1");
    let wanted = Wanted { uid: Some("of-the-lost-one".to_owned()), ..Wanted::new(spec.clone()) };
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    init_control_plane::run(&cx, "cp-1", VERSION, false).await.unwrap();
    let host = &fakes["cp-1"];
    log(
        host,
        &expect![[r#"
            attach kubeone-init
            run os/linux/observe.sh
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
            run os/linux/kubeadm_init.sh as kubeone-init
            run os/linux/remove_super_admin.sh
            run os/linux/record_files.sh
            write /etc/kubeone/configured.json 644
            write /etc/kubeone/cluster.json 644
        "#]],
    );
    let marker = marker_on(host);
    assert_eq!(marker.uid.as_deref(), Some(UID));
    assert_eq!(marker.replaces.as_deref(), Some("of-the-lost-one"), "Terraform's state does not know the new one yet");
}

#[tokio::test]
async fn a_half_done_init_is_cleaned_and_begun_anew() {
    let spec = spec();
    let half_done = json!({ "marker": marker(None), "kubernetes": { "ca_sha256": "ab", "static_pods": ["etcd"] } });
    let host = FakeHost::new("cp-1")
        .has_failed_unit("kubeone-init", "os/linux/kubeadm_init.sh", 1, "timed out")
        .answers("os/linux/observe.sh", seen(half_done))
        .answers("os/linux/reset_node.sh", "")
        .answers("os/linux/kubeadm_init.sh", "")
        .answers("os/linux/remove_super_admin.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_control_plane(&api, "cp-1");
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    init_control_plane::run(&cx, "cp-1", VERSION, false).await.unwrap();
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-init
            run os/linux/observe.sh
            run os/linux/reset_node.sh as kubeone-reset
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
            run os/linux/kubeadm_init.sh as kubeone-init
            run os/linux/remove_super_admin.sh
            run os/linux/record_files.sh
            write /etc/kubeone/configured.json 644
            write /etc/kubeone/cluster.json 644
        "#]],
    );
}

#[tokio::test]
async fn a_finished_control_plane_that_is_silent_is_never_cleaned() {
    let spec = spec();
    let finished = json!({ "marker": marker(Some(UID)), "kubernetes": { "ca_sha256": "ab" } });
    let (hosts, fakes) = hosts([FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(finished))]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = init_control_plane::run(&cx, "cp-1", VERSION, false).await.unwrap_err();
    assert!(matches!(error, StepError::Refused { .. }), "{error}");
    log(
        &fakes["cp-1"],
        &expect![[r#"
        attach kubeone-init
        run os/linux/observe.sh
    "#]],
    );
}

#[tokio::test]
async fn a_node_of_another_cluster_of_the_same_name_is_refused() {
    let spec = spec();
    let (hosts, _) =
        hosts([FakeHost::new("w-1").answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some("x")) })))]);
    let api = FakeApi::new();
    expect_namespace(&api);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = join_worker::run(&cx, "w-1").await.unwrap_err();
    assert!(matches!(error, StepError::Refused { .. }), "{error}");
}

/// The member of etcd goes before the host is cleaned, the Node after it, and the join comes last.
#[tokio::test]
async fn a_half_done_control_plane_is_cleaned_before_it_joins_again() {
    let spec = spec();
    let half_done = json!({ "marker": marker(None), "kubernetes": { "ca_sha256": "ab", "etcd_data": true } });
    let newcomer =
        FakeHost::new("cp-2").answers("os/linux/observe.sh", seen(half_done)).answers("os/linux/reset_node.sh", "");
    let members = r#"{"members":[{"ID":"1","name":"cp-1"},{"ID":"31","peerURLs":["https://10.0.0.2:2380"]}]}"#;
    // The rest is the way of any join. Here the test ends, for such a CA is none.
    let peer = peer()
        .has_file(RemoteFile::public("/etc/kubernetes/pki/ca.crt", "no certificate"))
        .answers("os/linux/etcd_members.sh", members)
        .answers("os/linux/remove_etcd_member.sh", "");
    let (hosts, fakes) = hosts([peer, newcomer]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_nodes(&api, &[json!({ "metadata": { "name": "cp-2" } })]);
    api.expect("DELETE /api/v1/nodes/cp-2", 200, &json!({ "kind": "Status", "status": "Success" }));
    // Its kubelet would go on with the pods of the earlier machine.
    let pod = json!({ "metadata": { "name": "canal-x", "namespace": "kube-system", "uid": "1" } });
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [pod] }));
    api.expect("DELETE /api/v1/namespaces/kube-system/pods/canal-x", 200, &pod);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = join_control_plane::run(&cx, "cp-2").await.unwrap_err();
    assert!(error.to_string().contains("CA"), "{error}");
    log(
        &fakes["cp-2"],
        &expect![[r#"
            attach kubeone-join
            run os/linux/observe.sh
            run os/linux/reset_node.sh as kubeone-reset
            write /etc/kubernetes/pki/ca.crt 644
            write /etc/kubernetes/pki/ca.key 600
            write /etc/kubernetes/pki/sa.pub 644
            write /etc/kubernetes/pki/sa.key 600
            write /etc/kubernetes/pki/front-proxy-ca.crt 644
            write /etc/kubernetes/pki/front-proxy-ca.key 600
            write /etc/kubernetes/pki/etcd/ca.crt 644
            write /etc/kubernetes/pki/etcd/ca.key 600
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
        "#]],
    );
    log(
        &fakes["cp-1"],
        &expect![[r#"
            read /etc/kubeone/cluster.json
            read /etc/kubernetes/pki/ca.crt
            read /etc/kubernetes/pki/ca.key
            read /etc/kubernetes/pki/sa.pub
            read /etc/kubernetes/pki/sa.key
            read /etc/kubernetes/pki/front-proxy-ca.crt
            read /etc/kubernetes/pki/front-proxy-ca.key
            read /etc/kubernetes/pki/etcd/ca.crt
            read /etc/kubernetes/pki/etcd/ca.key
            read /etc/kubernetes/manifests/kube-apiserver.yaml
            read /etc/kubeone/cluster.json
            run os/linux/etcd_members.sh
            run os/linux/remove_etcd_member.sh
        "#]],
    );
    assert_eq!(variable(&fakes["cp-2"], "os/linux/reset_node.sh", "JOINS_AGAIN"), "false");
    assert_eq!(variable(&fakes["cp-1"], "os/linux/remove_etcd_member.sh", "MEMBER_ID"), "31");
    for name in ["ca.key", "sa.key", "front-proxy-ca.key", "etcd/ca.key"] {
        assert_eq!(fakes["cp-2"].file(format!("/etc/kubernetes/pki/{name}")).unwrap().mode, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_host_is_reset_down_to_what_was_there() {
    let spec = spec();
    let marker = r#"{"cluster":"prod","provider_version":"0.1.0","packages_kept":["kubectl"]}"#;
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker, "kubernetes": { "kubelet_conf": true } })))
        .answers("os/linux/reset_node.sh", "")
        .answers("os/debian/remove_packages.sh", "")
        .answers("os/linux/remove_configuration.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    reset_host::run(&cx, "w-1", Role::Worker, None).await.unwrap();
    let host = &fakes["w-1"];
    log(
        host,
        &expect![[r#"
        run os/linux/observe.sh
        attach kubeone-prepare
        attach kubeone-init
        attach kubeone-join
        run os/linux/reset_node.sh as kubeone-reset
        run os/debian/remove_packages.sh as kubeone-reset
        run os/linux/remove_configuration.sh
    "#]],
    );
    assert_eq!(variable(host, "os/debian/remove_packages.sh", "PACKAGES"), "containerd.io\nkubelet\nkubeadm");
    let files = variable(host, "os/linux/remove_configuration.sh", "FILES");
    assert_eq!(files.lines().last(), Some(kubeone_facts::marker::PATH), "the marker goes last");
    assert_eq!(variable(host, "os/linux/remove_configuration.sh", "KEEP_SNAPSHOTS"), "false");
}

#[tokio::test]
async fn packages_stay_when_the_user_says_so() {
    let mut spec = spec();
    spec.deletion.remove_packages = false;
    spec.deletion.keep_snapshots = true;
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })))
        .answers("os/linux/reset_node.sh", "")
        .answers("os/debian/remove_packages.sh", "")
        .answers("os/linux/remove_configuration.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    reset_host::run(&cx, "w-1", Role::Worker, None).await.unwrap();
    let files = variable(&fakes["w-1"], "os/linux/remove_configuration.sh", "FILES");
    assert!(!files.contains("/etc/containerd/config.toml"), "{files}");
    assert_eq!(variable(&fakes["w-1"], "os/linux/remove_configuration.sh", "ORIGINALS"), "/etc/containerd/config.toml");
    assert_eq!(variable(&fakes["w-1"], "os/debian/remove_packages.sh", "PACKAGES"), "");
    assert_eq!(variable(&fakes["w-1"], "os/linux/remove_configuration.sh", "KEEP_SNAPSHOTS"), "true");
}

#[tokio::test]
async fn a_bare_host_needs_no_reset() {
    let spec = spec();
    let (hosts, fakes) = hosts([FakeHost::new("w-1").answers("os/linux/observe.sh", seen(json!({})))]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    assert!(matches!(reset_host::run(&cx, "w-1", Role::Worker, None).await.unwrap(), Outcome::Skipped(_)));
    log(&fakes["w-1"], &expect![["run os/linux/observe.sh\n"]]);
}

#[tokio::test]
async fn an_unreachable_host_is_left_behind_with_a_warning() {
    let spec = spec();
    let (hosts, _) = hosts([FakeHost::new("w-1").unreachable()]);
    let wanted = Wanted::new(spec.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    assert!(matches!(reset_host::run(&cx, "w-1", Role::Worker, None).await.unwrap(), Outcome::Warning(_)));
    let mut strict = spec.clone();
    strict.deletion.unreachable_hosts = kubeone_spec::UnreachableHosts::Fail;
    let wanted = Wanted::new(strict.clone());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    reset_host::run(&cx, "w-1", Role::Worker, None).await.unwrap_err();
}

#[path = "tests/remove_node.rs"]
mod remove_a_node;
#[path = "tests/upgrade.rs"]
mod upgrade;
