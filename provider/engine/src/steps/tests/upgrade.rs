//! Steps that bring a cluster to another version.

use super::*;

/// A control plane of Kubernetes 1.35.4 with what an upgrade reads of it.
fn old_control_plane() -> FakeHost {
    let facts = json!({
        "marker": marker(Some(UID)), "kubelet_active": true, "containerd_active": true,
        "kubernetes": { "kubelet_conf": true, "admin_conf": true, "images": { "etcd": "registry.k8s.io/etcd:3.6.6-0" } },
        "etcd_members": r#"{"members":[{"ID":"1","name":"cp-1"}]}"#,
    });
    let endpoint = "    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.9.0.1:7443\n";
    FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(facts)).has_file(RemoteFile::private(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        format!("metadata:\n  annotations:\n{endpoint}"),
    ))
}

fn expect_kubeadm_configuration(api: &FakeApi, yaml: &str) {
    let map = json!({ "metadata": {}, "data": { "ClusterConfiguration": yaml } });
    api.expect("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 200, &map);
}

/// The node cp-1 as the API describes it.
fn node_of(version: &str, cordoned_by_us: bool) -> Value {
    let annotations = if cordoned_by_us { json!({ "kubeone/cordoned": "true" }) } else { json!({}) };
    json!({
        "metadata": { "name": "cp-1", "annotations": annotations },
        "spec": { "unschedulable": cordoned_by_us },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "nodeInfo": { "kubeletVersion": version, "containerRuntimeVersion": "", "architecture": "", "bootID": "",
                "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": "" },
        },
    })
}

const NEWER: KubernetesVersion = KubernetesVersion::new(1, 36, 3);

fn newer_spec() -> ClusterSpec {
    ClusterSpec { kubernetes_version: NEWER, ..spec() }
}

/// On an empty node static pods first, then packages and the kubelet, and at last it takes pods again.
#[tokio::test]
async fn a_control_plane_is_upgraded() {
    let host = old_control_plane()
        .answers("os/linux/upgrade_control_plane.sh", "")
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/upgrade_control_plane.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    expect_kubeadm_configuration(
        &api,
        "apiVersion: kubeadm.k8s.io/v1beta4\nclusterName: adopted\nkubernetesVersion: v1.35.4\n",
    );
    expect_nodes(&api, &[node_of("v1.35.4", false)]);
    api.expect("GET /api/v1/nodes/cp-1", 200, &node_of("v1.35.4", false)).expect_echo("PATCH /api/v1/nodes/cp-1");
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
    api.expect_watch("/api/v1/nodes", &[node_of("v1.35.4", true)], &[node_of("v1.36.3", true)]);
    let upgraded = node_of("v1.36.3", true);
    api.expect("GET /api/v1/nodes/cp-1", 200, &upgraded).expect("PATCH /api/v1/nodes/cp-1", 200, &upgraded);
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(upgrade_control_plane::run(&cx, "cp-1", NEWER).await.unwrap(), Outcome::Done);
    let host = &fakes["cp-1"];
    log(
        host,
        &expect![[r#"
            attach kubeone-upgrade
            run os/linux/observe.sh
            read /etc/kubernetes/manifests/kube-apiserver.yaml
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
            write /etc/apt/sources.list.d/kubeone.sources 644
            write /etc/containerd/config.toml 644
            write /etc/modules-load.d/kubeone.conf 644
            write /etc/sysctl.d/99-kubeone.conf 644
            run os/linux/upgrade_control_plane.sh as kubeone-upgrade
            run os/debian/install_packages.sh as kubeone-prepare
            run os/linux/upgrade_control_plane.sh as kubeone-upgrade
            run os/linux/record_files.sh
            write /etc/kubeone/configured.json 644
        "#]],
    );
    let config = variable(host, "os/linux/upgrade_control_plane.sh", "CONFIG");
    for line in
        ["clusterName: adopted", "kubernetesVersion: v1.36.3", "advertiseAddress: \"10.9.0.1\"", "bindPort: 7443"]
    {
        assert!(config.lines().any(|it| it.trim() == line), "`{line}` is missing in\n{config}");
    }
    assert_eq!(variable(host, "os/linux/upgrade_control_plane.sh", "API_PORT"), "7443");
    let cordons: Vec<_> = api.sent().iter().filter_map(|sent| sent.body["spec"]["unschedulable"].as_bool()).collect();
    assert_eq!(cordons, [true, false]);
}

/// What goes wrong is told, and the node takes pods again all the same.
#[tokio::test]
async fn a_node_whose_upgrade_fails_is_schedulable_again() {
    let host = old_control_plane().answers("os/linux/upgrade_control_plane.sh", "").fails(
        "os/debian/install_packages.sh",
        100,
        "E: no space left",
    );
    let (hosts, _) = hosts([host]);
    let api = FakeApi::new();
    expect_kubeadm_configuration(&api, "kubernetesVersion: v1.35.4\n");
    expect_nodes(&api, &[node_of("v1.35.4", false)]);
    api.expect("GET /api/v1/nodes/cp-1", 200, &node_of("v1.35.4", false)).expect_echo("PATCH /api/v1/nodes/cp-1");
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
    let cordoned = node_of("v1.35.4", true);
    api.expect("GET /api/v1/nodes/cp-1", 200, &cordoned).expect("PATCH /api/v1/nodes/cp-1", 200, &cordoned);
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = upgrade_control_plane::run(&cx, "cp-1", NEWER).await.unwrap_err();
    assert!(matches!(error, StepError::Host(_)), "{error}");
    assert_eq!(api.sent().last().unwrap().body["spec"]["unschedulable"], json!(false));
}

/// Within a minor release pods stay where they are.
#[tokio::test]
async fn a_patch_release_needs_no_empty_node() {
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/upgrade_kubelet.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host]);
    let node = |version: &str| {
        let mut node = node_of(version, false);
        node["metadata"]["name"] = json!("w-1");
        node
    };
    let api = FakeApi::new();
    expect_nodes(&api, &[node("v1.36.1")]);
    api.expect_watch("/api/v1/nodes", &[node("v1.36.1")], &[node("v1.36.3")]);
    api.expect("GET /api/v1/nodes/w-1", 200, &node("v1.36.3"));
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    upgrade_worker::run(&cx, "w-1", NEWER).await.unwrap();
    assert_eq!(variable(&fakes["w-1"], "os/linux/upgrade_kubelet.sh", "PATCHES"), "");
}

#[tokio::test]
async fn what_runs_stays_as_it_is_while_an_upgrade_is_fetched() {
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/pull_images.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(newer_spec());
    let api = FakeApi::new();
    expect_kubeadm_configuration(&api, "imageRepository: registry.example.com/k8s\nkubernetesVersion: v1.35.4\n");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    fetch_upgrade::run(&cx, "w-1", Role::Worker, NEWER).await.unwrap();
    let host = &fakes["w-1"];
    log(
        host,
        &expect![[r#"
        run os/linux/observe.sh
        write /etc/apt/sources.list.d/kubeone.sources 644
        run os/debian/install_packages.sh as kubeone-prepare
        run os/linux/pull_images.sh as kubeone-prepare
    "#]],
    );
    assert_eq!(variable(host, "os/debian/install_packages.sh", "FETCH_ONLY"), "true");
    assert_eq!(variable(host, "os/linux/pull_images.sh", "AWAIT"), "true");
    // From where the cluster's images come, in the new version.
    let config = variable(host, "os/linux/pull_images.sh", "CONFIG");
    assert!(config.contains("registry.example.com/k8s") && config.contains("v1.36.3"), "{config}");
}

/// API servers of clusters that others made learn to leave in an orderly way, before the first of them is exchanged.
#[tokio::test]
async fn an_upgrade_begins_only_when_all_is_well() {
    let api = FakeApi::new();
    expect_nodes(&api, &[node_of("v1.35.4", false)]);
    expect_kubeadm_configuration(
        &api,
        "apiServer:\n  extraArgs:\n  - name: v\n    value: \"2\"\nkubernetesVersion: v1.35.4\n",
    );
    api.expect_echo("PATCH /api/v1/namespaces/kube-system/configmaps/kubeadm-config");
    let (hosts, _) = hosts([old_control_plane()]);
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    preflight_upgrade::run(&cx).await.unwrap();
    let written = api.sent().last().unwrap().body["data"]["ClusterConfiguration"].as_str().unwrap().to_owned();
    assert!(written.contains("shutdown-delay-duration") && written.contains("value: \"2\""), "{written}");
    assert!(written.contains("kubernetesVersion: v1.35.4"), "{written}");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_does_not_begin_with_a_member_of_etcd_missing() {
    let api = FakeApi::new();
    (0..62).for_each(|_| expect_nodes(&api, &[node_of("v1.35.4", false)]));
    let facts =
        json!({ "marker": marker(Some(UID)), "kubernetes": { "images": { "etcd": "registry.k8s.io/etcd:3.6.6-0" } } });
    let host = (0..62).fold(FakeHost::new("cp-1"), |host, _| host.answers("os/linux/observe.sh", seen(facts.clone())));
    let (hosts, _) = hosts([host]);
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = preflight_upgrade::run(&cx).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the member of etcd on cp-1 does not answer, or has no vote, and that for 120 s; nothing was changed"
    );
}

/// A host that was rebooted a moment ago holds nothing up for long.
#[tokio::test(start_paused = true)]
async fn an_upgrade_waits_for_a_member_of_etcd_that_starts() {
    let api = FakeApi::new();
    (0..2).for_each(|_| expect_nodes(&api, &[node_of("v1.35.4", false)]));
    expect_kubeadm_configuration(&api, "kubernetesVersion: v1.35.4\n");
    api.expect_echo("PATCH /api/v1/namespaces/kube-system/configmaps/kubeadm-config");
    let kubernetes = json!({ "images": { "etcd": "registry.k8s.io/etcd:3.6.6-0" } });
    let starts = json!({ "marker": marker(Some(UID)), "kubernetes": kubernetes });
    let runs = json!({ "marker": marker(Some(UID)), "kubernetes": kubernetes, "etcd_members": r#"{"members":[{"ID":"1","name":"cp-1"}]}"# });
    let host = FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(starts));
    let (hosts, _) = hosts([host.answers("os/linux/observe.sh", seen(runs))]);
    let wanted = Wanted::new(newer_spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    preflight_upgrade::run(&cx).await.unwrap();
}
