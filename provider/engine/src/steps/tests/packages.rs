//! What packages and images are checked by, and how another containerd comes to a node.

use super::*;

const TO: kubeone_spec::ContainerdVersion = kubeone_spec::ContainerdVersion { major: 2, minor: 2, patch: 5 };

fn worker(marker: &str) -> FakeHost {
    let packages = json!({ "kubelet": "1.35.3", "kubeadm": "1.35.3", "kubectl": "1.35.3", "containerd": "2.2.3" });
    FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker, "packages": packages })))
        .answers("os/debian/install_packages.sh", "")
}

/// The Node w-1, whose kubelet reported at this second.
fn node(second: u8, cordoned_by_us: bool) -> Value {
    let annotations = if cordoned_by_us { json!({ "kubeone/cordoned": "true" }) } else { json!({}) };
    let heartbeat = format!("2026-03-01T12:00:{second:02}Z");
    json!({
        "metadata": { "name": "w-1", "annotations": annotations },
        "spec": { "unschedulable": cordoned_by_us },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat }],
            "nodeInfo": { "kubeletVersion": "v1.35.3", "containerRuntimeVersion": "", "architecture": "", "bootID": "",
                "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": "" },
        },
    })
}

/// The kubelet has to say once more that its node is Ready; what is there of Kubernetes stays.
#[tokio::test]
async fn containerd_is_exchanged_below_pods_that_run_on() {
    let (hosts, fakes) = hosts([worker(&marker(Some(UID)))]);
    let api = FakeApi::new();
    expect_nodes(&api, &[node(1, false)]);
    api.expect("GET /api/v1/nodes/w-1", 200, &node(1, false));
    api.expect_watch("/api/v1/nodes", &[node(1, false)], &[node(2, false)]);
    api.expect("GET /api/v1/nodes/w-1", 200, &node(2, false));
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(upgrade_containerd::run(&cx, "w-1", TO).await.unwrap(), Outcome::Done);
    let host = &fakes["w-1"];
    log(
        host,
        &expect![[r#"
            attach kubeone-upgrade
            run os/linux/observe.sh
            run os/debian/install_packages.sh as kubeone-prepare
        "#]],
    );
    let told = |name| variable(host, "os/debian/install_packages.sh", name);
    assert_eq!([told("CONTAINERD_VERSION"), told("KUBERNETES_VERSION")], ["2.2.5-", "1.35.3"]);
    assert_eq!([told("FETCH_ONLY"), told("RESTART_KUBELET")], ["false", "false"]);
}

#[tokio::test]
async fn the_node_is_emptied_for_it_where_the_settings_say_so() {
    let (hosts, fakes) = hosts([worker(&marker(Some(UID)))]);
    let api = FakeApi::new();
    expect_nodes(&api, &[node(1, false)]);
    api.expect("GET /api/v1/nodes/w-1", 200, &node(1, false)).expect_echo("PATCH /api/v1/nodes/w-1");
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
    api.expect("GET /api/v1/nodes/w-1", 200, &node(1, true));
    api.expect_watch("/api/v1/nodes", &[node(1, true)], &[node(2, true)]);
    api.expect("GET /api/v1/nodes/w-1", 200, &node(2, true)).expect("PATCH /api/v1/nodes/w-1", 200, &node(2, false));
    let mut spec = spec();
    spec.upgrade.drain = kubeone_spec::UpgradeDrain::Always;
    let wanted = Wanted::new(spec);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    upgrade_containerd::run(&cx, "w-1", TO).await.unwrap();
    assert_eq!(fakes["w-1"].unused(), Vec::<String>::new());
    let cordons: Vec<_> = api.sent().iter().filter_map(|sent| sent.body["spec"]["unschedulable"].as_bool()).collect();
    assert_eq!(cordons, [true, false]);
}

#[tokio::test]
async fn the_containerd_of_an_adopted_host_is_not_touched() {
    let adopted = json!({ "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "adopted": true }).to_string();
    let (hosts, fakes) = hosts([worker(&adopted)]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let outcome = upgrade_containerd::run(&cx, "w-1", TO).await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
    assert_eq!(fakes["w-1"].unused(), ["os/debian/install_packages.sh"]);
}

fn bare() -> FakeHost {
    FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({})))
        .answers("os/linux/keep_originals.sh", "")
        .answers("os/linux/configure_kernel.sh", "")
        .answers("os/debian/install_packages.sh", "")
        .answers("os/linux/pull_images.sh", "")
}

#[tokio::test]
async fn a_host_is_told_which_keys_are_known() {
    let (hosts, fakes) = hosts([bare()]);
    let mut spec = spec();
    spec.packages.signing_key_fingerprints = vec!["aa".repeat(20)];
    let wanted = Wanted::new(spec);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    prepare_host::run(&cx, "w-1", Role::Worker, VERSION).await.unwrap();
    let keys = variable(&fakes["w-1"], "os/debian/install_packages.sh", "SIGNING_KEYS");
    let own = "AA".repeat(20);
    let ends: Vec<_> = keys.lines().filter_map(|line| line.split_once("https://")).map(|(_, rest)| rest).collect();
    assert_eq!(
        ends,
        [
            format!("pkgs.k8s.io/core:/stable:/v1.35/deb/Release.key DE15B14486CD377B9E876E1A234654DA9A296436,{own}"),
            format!("download.docker.com/linux/debian/gpg 9DC858229FC7DD38854AE2D88D81803C0EBFCD88,{own}"),
        ]
    );
}

/// No step may need an image before it is known to be the right one.
#[tokio::test]
async fn images_with_a_digest_are_awaited() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (digests, unit, wait) in [(Vec::new(), "", "false"), (vec![digest.as_str()], " as kubeone-prepare", "true")] {
        let (hosts, fakes) = hosts([bare()]);
        let mut spec = spec();
        let image = "registry.k8s.io/pause:3.10.1";
        spec.images.digests = digests.iter().map(|digest| (image.to_owned(), (*digest).to_owned())).collect();
        let wanted = Wanted::new(spec);
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        prepare_host::run(&cx, "w-1", Role::Worker, VERSION).await.unwrap();
        let host = &fakes["w-1"];
        assert_eq!(host.log().last().unwrap(), &format!("run os/linux/pull_images.sh{unit}"));
        assert_eq!(variable(host, "os/linux/pull_images.sh", "AWAIT"), wait);
        let lines: Vec<_> = digests.iter().map(|digest| format!("{image} {digest}")).collect();
        assert_eq!(variable(host, "os/linux/pull_images.sh", "DIGESTS"), lines.join("\n"));
    }
}
