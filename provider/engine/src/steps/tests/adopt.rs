//! Nodes that somebody else made get a marker, and nothing else.

use kubeone_kubernetes::Kubeconfig;

use super::*;

/// What kubeadm wrote on a host of a cluster that is no more.
const ADMIN_CONF: &str = include_str!("../../kubeconfig/testdata/printed.yaml");

fn ca() -> String {
    Kubeconfig::parse(ADMIN_CONF.as_bytes()).unwrap().ca_certificate()
}

/// A control plane of the cluster that was adopted before, for its CA.
pub(super) fn control_plane() -> FakeHost {
    FakeHost::new("cp-1")
        .has_file(RemoteFile::private("/etc/kubernetes/admin.conf", ADMIN_CONF))
        .has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker(Some(UID))))
}

/// What its own kubeadm left on the worker, with some of it replaced.
pub(super) fn node(changes: Value) -> String {
    let der: String = ca().lines().filter(|line| !line.starts_with('-')).collect();
    let mut node = json!({
        "machine_id": "m", "kubelet_active": true, "kubernetes": { "kubelet_conf": true },
        "packages": { "kubelet": "1.35.4", "containerd": "1.7.24" },
        "certificates": { "/etc/kubernetes/pki/ca.crt": der },
    });
    if let (Value::Object(node), Value::Object(changes)) = (&mut node, changes) {
        node.extend(changes);
    }
    seen(node)
}

/// How much of the API the step asks for before it knows enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    Nothing,
    Identity,
    Nodes,
}

pub(super) fn node_info(machine: &str) -> Value {
    json!({ "nodeInfo": {
        "machineID": machine, "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
        "kubeProxyVersion": "", "kubeletVersion": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
    } })
}

async fn adopt(
    worker: FakeHost,
    machine_of_node: &str,
    uid: &str,
    asks: Asks,
) -> (Result<Outcome, StepError>, Arc<FakeHost>) {
    let (hosts, fakes) = hosts([control_plane(), worker]);
    let api = FakeApi::new();
    if asks >= Asks::Identity {
        expect_namespace(&api);
    }
    if asks == Asks::Nodes {
        expect_nodes(&api, &[json!({ "metadata": { "name": "w-1" }, "status": node_info(machine_of_node) })]);
    }
    let wanted = Wanted { uid: Some(uid.to_owned()), ..Wanted::new(spec()) };
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    (adopt_host::run(&cx, "w-1").await, fakes["w-1"].clone())
}

#[tokio::test]
async fn a_node_is_adopted_by_its_marker() {
    let worker =
        FakeHost::new("w-1").answers("os/linux/observe.sh", node(json!({}))).answers("os/linux/record_files.sh", "");
    let (outcome, worker) = adopt(worker, "m", UID, Asks::Nodes).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    log(
        &worker,
        &expect![[r#"
        run os/linux/observe.sh
        run os/linux/record_files.sh
        write /etc/kubeone/cluster.json 644
    "#]],
    );
    let marker = marker_on(&worker);
    assert!(marker.adopted && marker.uid.as_deref() == Some(UID));
    assert_eq!(marker.packages_kept, ["containerd.io", "kubelet"]);
}

/// The API does not say whose taints are, so it is noted.
#[tokio::test]
async fn taints_of_an_adopted_node_are_ours_from_then_on() {
    let worker =
        FakeHost::new("w-1").answers("os/linux/observe.sh", node(json!({}))).answers("os/linux/record_files.sh", "");
    let (hosts, _) = hosts([control_plane(), worker]);
    let api = FakeApi::new();
    expect_namespace(&api);
    let tainted = json!({
        "metadata": { "name": "w-1" }, "spec": { "taints": [{ "key": "dedicated", "effect": "NoSchedule" }] },
        "status": node_info("m"),
    });
    expect_nodes(&api, std::slice::from_ref(&tainted));
    api.expect("GET /api/v1/nodes/w-1", 200, &tainted).expect_echo("PATCH /api/v1/nodes/w-1");
    let wanted = Wanted { uid: Some(UID.to_owned()), ..Wanted::new(spec()) };
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    adopt_host::run(&cx, "w-1").await.unwrap();
    let sent = api.sent();
    assert_eq!(sent[3].body["metadata"]["annotations"]["kubeone/taints"], "dedicated:NoSchedule");
}

#[tokio::test]
async fn whatever_is_not_sure_to_be_the_node_is_refused() {
    let other_ca = json!({ "certificates": {}, "kubernetes": { "kubelet_conf": true, "ca_sha256": "ab" } });
    for (facts, machine, uid, asks, says) in [
        (json!({}), "m", "another", Asks::Identity, "not the one in Terraform's state"),
        (json!({}), "another", UID, Asks::Nodes, "this is not the machine behind the Node `w-1`"),
        (other_ca, "m", UID, Asks::Nodes, "is not the CA of the cluster"),
        (
            json!({ "marker": r#"{"cluster":"other","provider_version":"0.1.0"}"# }),
            "m",
            UID,
            Asks::Nothing,
            "belongs to the cluster",
        ),
    ] {
        let worker = FakeHost::new("w-1").answers("os/linux/observe.sh", node(facts));
        let (outcome, worker) = adopt(worker, machine, uid, asks).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        log(&worker, &expect![["run os/linux/observe.sh\n"]]);
    }
}

#[tokio::test]
async fn a_host_that_has_its_marker_is_left_as_it_is() {
    let worker = FakeHost::new("w-1").answers("os/linux/observe.sh", node(json!({ "marker": marker(Some(UID)) })));
    let (outcome, _) = adopt(worker, "m", UID, Asks::Nothing).await;
    assert!(matches!(outcome.unwrap(), Outcome::Skipped(_)));
}
