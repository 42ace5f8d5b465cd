//! Renewal and repair: what is asked of which host, and what is refused.

use kubeone_desired::{COREDNS, KUBE_PROXY};

use super::*;

/// A finished control plane on which a renewal was interrupted.
fn finished(name: &str) -> FakeHost {
    FakeHost::new(name).answers(
        "os/linux/observe.sh",
        seen(json!({ "marker": marker(Some(UID)), "renewal_begun": ["etcd-peer"], "certificates": certificates() })),
    )
}

fn certificates() -> Value {
    let pem = include_str!("../../testdata/ca.crt");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    json!({ "/etc/kubernetes/pki/etcd/peer.crt": der })
}

fn three_control_planes() -> Wanted {
    let mut spec = spec();
    let third = serde_json::from_value(json!({ "address": "10.0.0.4" })).unwrap();
    spec.control_plane.insert("cp-3".to_owned(), third);
    spec.certificates.renew_trigger = Some("now".to_owned());
    Wanted::new(spec)
}

fn well(name: &str) -> FakeHost {
    FakeHost::new(name).answers("os/linux/etcd_health.sh", "")
}

fn ill(host: FakeHost) -> FakeHost {
    host.fails("os/linux/etcd_health.sh", 1, "no answer")
}

/// Its member is well, and knows these that vote.
fn knows(host: FakeHost, voters: &str) -> FakeHost {
    host.answers("os/linux/etcd_health.sh", "").answers("os/linux/etcd_voters.sh", voters)
}

fn is_renewed(host: FakeHost) -> FakeHost {
    host.answers("os/linux/renew_certificates.sh", "").answers("os/linux/restart_components.sh", "")
}

#[tokio::test]
async fn what_is_due_is_renewed_while_the_others_keep_the_quorum() {
    let renewing = is_renewed(knows(finished("cp-1"), "well cp-1\nwell cp-2\nwell cp-3\n"));
    let (hosts, fakes) = hosts([renewing, FakeHost::new("cp-2"), FakeHost::new("cp-3")]);
    let wanted = three_control_planes();
    let api = FakeApi::new();
    expect_kubeadm_configuration(&api, "apiServer: {}\n");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    renew_certificates::run(&cx, "cp-1").await.unwrap();
    let host = &fakes["cp-1"];
    log(
        host,
        &expect![[r#"
        attach kubeone-renew
        run os/linux/observe.sh
        run os/linux/etcd_health.sh
        run os/linux/etcd_voters.sh
        read /etc/kubernetes/manifests/kube-apiserver.yaml
        run os/linux/renew_certificates.sh as kubeone-renew
        run os/linux/restart_components.sh as kubeone-restart
        write /etc/kubeone/cluster.json 644
    "#]],
    );
    assert_eq!(variable(host, "os/linux/renew_certificates.sh", "CERTIFICATES"), "etcd-peer");
    let told = |name| variable(host, "os/linux/restart_components.sh", name);
    assert_eq!([told("COMPONENTS"), told("AWAIT_HEALTH"), told("RENEWED")], ["etcd", "true", "true"]);
    let marker = marker_on(host);
    assert_eq!((marker.uid.as_deref(), marker.renew_trigger.as_deref()), (Some(UID), Some("now")));
}

#[tokio::test]
async fn a_quorum_is_not_given_up_for_new_certificates() {
    let two_of_three = "well cp-1\nwell cp-3\nill cp-2\n";
    let renewing = knows(finished("cp-1"), two_of_three).answers("os/linux/etcd_voters.sh", two_of_three);
    let (hosts, fakes) = hosts([renewing, FakeHost::new("cp-2"), FakeHost::new("cp-3")]);
    let wanted = three_control_planes();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = renew_certificates::run(&cx, "cp-1").await.unwrap_err();
    assert!(error.to_string().contains("only 1 of the 2 other members are well, and cp-2 not"), "{error}");
    assert!(fakes["cp-1"].log().iter().all(|call| !call.contains("renew_certificates")));
}

/// Two are wanted beside it, and have not joined yet; or one of three is gone, and its successor has not joined yet.
#[tokio::test]
async fn members_are_counted_as_etcd_has_them_and_not_as_they_are_wanted() {
    for voters in ["well cp-1\n", "well cp-1\nwell cp-3\n"] {
        let renewing = is_renewed(knows(finished("cp-1"), voters));
        let (hosts, fakes) = hosts([renewing, FakeHost::new("cp-2"), FakeHost::new("cp-3")]);
        let wanted = three_control_planes();
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        renew_certificates::run(&cx, "cp-1").await.unwrap();
        assert_eq!(variable(&fakes["cp-1"], "os/linux/restart_components.sh", "AWAIT_HEALTH"), "true");
    }
}

/// The cluster as kubeadm remembers it.
fn expect_kubeadm_configuration(api: &FakeApi, yaml: &str) {
    let map = json!({ "metadata": {}, "data": { "ClusterConfiguration": yaml } });
    api.expect("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 200, &map);
}

/// Names that were taken back meanwhile. Control planes to come get theirs from the cluster.
#[tokio::test]
async fn a_renewal_that_is_resumed_takes_back_what_the_first_one_told_the_cluster() {
    let api = FakeApi::new();
    expect_kubeadm_configuration(&api, "apiServer:\n  certSANs:\n  - wrong_name\n");
    api.expect_echo("PATCH /api/v1/namespaces/kube-system/configmaps/kubeadm-config");
    let (hosts, _) = hosts([is_renewed(knows(finished("cp-1"), "well cp-1\n"))]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    renew_certificates::run(&cx, "cp-1").await.unwrap();
    let written = api.sent().last().unwrap().body["data"]["ClusterConfiguration"].as_str().unwrap().to_owned();
    assert!(!written.contains("wrong_name"), "{written}");
}

/// Whoever made the cluster let its API servers advertise another address than nodes register with. The components beside
/// them know them by that one.
#[tokio::test]
async fn the_address_that_an_api_server_advertises_stays_in_its_certificate() {
    let api = FakeApi::new();
    expect_kubeadm_configuration(&api, "apiServer:\n  certSANs:\n  - api.example.com\n");
    let manifest = "metadata:\n  annotations:\n    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 192.168.7.1:6443\n";
    let host = is_renewed(api_server_is_due().answers("os/linux/etcd_health.sh", ""))
        .has_file(RemoteFile::private(kubeone_desired::kubeadm::API_SERVER_MANIFEST, manifest));
    let (hosts, fakes) = hosts([host]);
    let mut spec = spec();
    spec.api_endpoint.alternative_names = vec!["api.example.com".to_owned()];
    let wanted = Wanted::new(spec);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    renew_certificates::run(&cx, "cp-1").await.unwrap();
    let told = |name| variable(&fakes["cp-1"], "os/linux/renew_certificates.sh", name);
    assert_eq!(told("NEW_NAMES"), "true");
    let named = told("NAMED_CONFIG");
    assert!(named.contains("advertiseAddress: \"192.168.7.1\""), "{named}");
    assert!(named.contains("certificatesDir: /etc/kubernetes/pki/kubeone-new"), "{named}");
}

fn api_server_is_due() -> FakeHost {
    let Value::Object(certificates) = certificates() else { unreachable!() };
    let certificate = certificates.values().next().unwrap();
    let found = json!({
        "marker": marker(Some(UID)), "renewal_begun": ["apiserver"],
        "certificates": { "/etc/kubernetes/pki/apiserver.crt": certificate },
    });
    FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(found))
}

/// Only the API server gets another certificate, so no member of etcd has to be spared.
#[tokio::test]
async fn etcd_is_not_asked_for_what_it_does_not_use() {
    let host = api_server_is_due().answers("os/linux/etcd_health.sh", "");
    let (hosts, fakes) = hosts([is_renewed(host), FakeHost::new("cp-2").unreachable()]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    renew_certificates::run(&cx, "cp-1").await.unwrap();
    assert_eq!(variable(&fakes["cp-1"], "os/linux/restart_components.sh", "COMPONENTS"), "kube-apiserver");
    assert_eq!(fakes["cp-1"].unused(), Vec::<String>::new());
}

/// All certificates have ended: no member answers, and none is waited for.
#[tokio::test]
async fn without_a_quorum_certificates_are_renewed_all_the_same() {
    let renewing = is_renewed(ill(finished("cp-1")));
    let (hosts, fakes) = hosts([renewing, ill(FakeHost::new("cp-2")), FakeHost::new("cp-3").unreachable()]);
    let wanted = three_control_planes();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    renew_certificates::run(&cx, "cp-1").await.unwrap();
    assert_eq!(variable(&fakes["cp-1"], "os/linux/restart_components.sh", "AWAIT_HEALTH"), "false");
}

#[tokio::test]
async fn a_host_with_new_certificates_is_left_alone() {
    let host = FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })));
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let outcome = renew_certificates::run(&cx, "cp-1").await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)));
    assert_eq!(fakes["cp-1"].log(), ["attach kubeone-renew", "run os/linux/observe.sh"]);
}

const KUBEADM_KUBECONFIG: &str = "os/linux/make_kubelet_kubeconfig.sh";

#[tokio::test]
async fn a_stopped_kubelet_is_started_and_its_edited_manifest_comes_back() {
    let drifted = json!({
        "marker": marker(Some(UID)), "containerd_active": true,
        "changed_files": ["/etc/kubernetes/manifests/etcd.yaml", "/var/lib/kubelet/config.yaml"],
    });
    // Its own member is down, so nothing is lost by a restart.
    let host = ill(FakeHost::new("cp-1"))
        .answers("os/linux/observe.sh", seen(drifted))
        .answers("os/linux/restore_files.sh", "")
        .answers("os/linux/start_services.sh", "")
        .answers("os/linux/restart_components.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host, well("cp-2"), well("cp-3")]);
    let wanted = three_control_planes();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    repair_node::run(&cx, "cp-1", Role::ControlPlane, &[]).await.unwrap();
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-repair
            attach kubeone-upgrade
            run os/linux/observe.sh
            run os/linux/etcd_health.sh
            run os/linux/restore_files.sh
            run os/linux/start_services.sh as kubeone-repair
            run os/linux/restart_components.sh as kubeone-restart
            run os/linux/record_files.sh
        "#]],
    );
    let told = |script, name| variable(&fakes["cp-1"], script, name);
    assert_eq!(told("os/linux/start_services.sh", "SERVICES"), "kubelet");
    assert_eq!(told("os/linux/start_services.sh", "RESTART_KUBELET"), "true");
    assert_eq!(told("os/linux/restart_components.sh", "COMPONENTS"), "etcd");
    assert_eq!(told("os/linux/restart_components.sh", "AWAIT_HEALTH"), "true");
}

/// The certificate is made where the CA is, and travels as a secret.
#[tokio::test]
async fn a_kubelet_whose_certificate_has_ended_gets_one_from_a_control_plane() {
    let pem = include_str!("../../testdata/ended.crt");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let ended = json!({
        "marker": marker(Some(UID)), "containerd_active": true, "kubelet_active": true,
        "certificates": { "/var/lib/kubelet/pki/kubelet-client-current.pem": der },
    });
    let worker = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(ended))
        .answers("os/linux/write_kubelet_kubeconfig.sh", "")
        .answers("os/linux/start_services.sh", "");
    let maker = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers(KUBEADM_KUBECONFIG, include_str!("../../kubeconfig/testdata/printed.yaml"));
    let (hosts, fakes) = hosts([maker, worker]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    repair_node::run(&cx, "w-1", Role::Worker, &[]).await.unwrap();
    assert_eq!(variable(&fakes["cp-1"], KUBEADM_KUBECONFIG, "NODE"), "w-1");
    log(
        &fakes["w-1"],
        &expect![[r#"
            attach kubeone-repair
            attach kubeone-upgrade
            run os/linux/observe.sh
            run os/linux/write_kubelet_kubeconfig.sh
            run os/linux/start_services.sh as kubeone-repair
        "#]],
    );
    let printed = include_str!("../../kubeconfig/testdata/printed.yaml");
    let key = printed.lines().find_map(|line| line.trim().strip_prefix("client-key-data: ")).unwrap();
    let plain = fakes["w-1"].calls().iter().any(|call| format!("{call:?}").contains(key));
    assert!(!plain, "the key is not a secret");
}

/// The kubelet would do what stands in it, and go where it leads.
#[tokio::test]
async fn a_kubelet_gets_no_kubeconfig_of_a_host_that_is_not_of_its_cluster() {
    const PRINTED: &str = include_str!("../../kubeconfig/testdata/printed.yaml");
    let exec = PRINTED.replace("  user:\n", "  user:\n    exec: { command: /tmp/evil }\n");
    let pem = include_str!("../../testdata/ended.crt");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let other = Some("00000000-0000-0000-0000-000000000002");
    for (marker_of_maker, printed, ca, says) in [
        (String::new(), None, "", "cp-1 is no finished control plane of the cluster"),
        (marker(None), None, "", "cp-1 is no finished control plane of the cluster"),
        (marker(other), None, "", "cp-1 is no finished control plane of the cluster"),
        (marker(Some(UID)), Some(exec.as_str()), "", "the kubeconfig that cp-1 made is not accepted"),
        (marker(Some(UID)), Some(PRINTED), "ab", "trusts another CA than this node"),
    ] {
        let ended = json!({
            "marker": marker(Some(UID)), "containerd_active": true, "kubelet_active": true,
            "kubernetes": { "ca_sha256": ca },
            "certificates": { "/var/lib/kubelet/pki/kubelet-client-current.pem": &der },
        });
        let worker = FakeHost::new("w-1").answers("os/linux/observe.sh", seen(ended));
        let maker = FakeHost::new("cp-1").answers("os/linux/observe.sh", seen(json!({ "marker": marker_of_maker })));
        let maker = printed.into_iter().fold(maker, |maker, text| maker.answers(KUBEADM_KUBECONFIG, text));
        let (hosts, fakes) = hosts([maker, worker]);
        let mut spec = spec();
        spec.control_plane.retain(|name, _| name == "cp-1");
        let wanted = Wanted::new(spec);
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        let error = repair_node::run(&cx, "w-1", Role::Worker, &[]).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(fakes["cp-1"].unused(), [""; 0]);
        assert!(fakes["w-1"].log().iter().all(|call| !call.contains("write_kubelet_kubeconfig")), "{says}");
    }
}

#[tokio::test]
async fn a_node_that_is_as_it_should_be_is_left_alone() {
    let fine = json!({ "marker": marker(Some(UID)), "containerd_active": true, "kubelet_active": true });
    let (hosts, fakes) = hosts([FakeHost::new("w-1").answers("os/linux/observe.sh", seen(fine))]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let outcome = repair_node::run(&cx, "w-1", Role::Worker, &[]).await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)));
    assert_eq!(fakes["w-1"].log(), ["attach kubeone-repair", "attach kubeone-upgrade", "run os/linux/observe.sh"]);
}

/// CoreDNS came back meanwhile, and kube-proxy did not.
#[tokio::test]
async fn what_kubeadm_made_in_the_cluster_is_made_again_where_it_is_still_missing() {
    let api = FakeApi::new();
    expect_namespace(&api);
    let there = json!({ "metadata": { "name": "there" } });
    for object in [
        "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
        "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
        "/api/v1/namespaces/kube-public/configmaps/cluster-info",
        "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    ] {
        api.expect(&format!("GET {object}"), 200, &there);
    }
    api.expect_missing("GET /apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy");
    let facts = json!({ "marker": marker(Some(UID)) });
    let host = peer().answers("os/linux/observe.sh", seen(facts)).answers("os/linux/repair_cluster.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let missing = [KUBE_PROXY, COREDNS].map(str::to_owned);
    repair_cluster::run(&cx, VERSION, &missing).await.unwrap();
    let host = &fakes["cp-1"];
    assert_eq!(variable(host, "os/linux/repair_cluster.sh", "PHASES"), "addon kube-proxy");
    assert!(variable(host, "os/linux/repair_cluster.sh", "CONFIG").contains("kubernetesVersion: v1.35.4"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_gets_its_kubelet_back_is_waited_for() {
    let api = FakeApi::new();
    expect_nodes(&api, &[node_with_kubelet("v1.35.9")]);
    api.expect_watch("/api/v1/nodes", &[node_with_kubelet("v1.35.9")], &[node_with_kubelet("v1.35.4")]);
    let facts = json!({
        "marker": marker(Some(UID)), "kubelet_active": true, "packages": { "kubelet": "1.35.9" },
    });
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(facts))
        .answers("os/linux/configure_kernel.sh", "")
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/pull_images.sh", "");
    let (hosts, _) = hosts([host]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    prepare_host::run(&cx, "w-1", Role::Worker, VERSION).await.unwrap();
}

fn node_with_kubelet(version: &str) -> Value {
    json!({
        "metadata": { "name": "w-1", "uid": "u" },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "nodeInfo": { "kubeletVersion": version, "containerRuntimeVersion": "", "architecture": "", "bootID": "",
                "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": "" },
        },
    })
}
