//! Markers that are damaged: rewritten from what the cluster knows, and never a reason to leave a node running.

use super::adopt::{control_plane, node, node_info};
use super::*;

const DAMAGED: &str = "{\"cluster\":";

struct Rewritten {
    outcome: Result<Outcome, StepError>,
    marker: Option<Marker>,
}

/// `cp-1` is whole; `host` is not.
async fn rewrite(host: FakeHost, known: Option<&str>, machine_of_node: &str, restored: Option<&str>) -> Rewritten {
    let name = host.name().to_owned();
    let text = json!({ "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": restored }).to_string();
    let whole = control_plane()
        .has_file(RemoteFile::public(kubeone_facts::marker::PATH, text))
        .answers("os/linux/etcd_members.sh", r#"{"members":[{"ID":"1","name":"cp-1"},{"ID":"2","name":"cp-2"}]}"#);
    let (hosts, fakes) = hosts([whole, host]);
    let api = FakeApi::new();
    expect_namespace(&api);
    let labels = json!({ "node-role.kubernetes.io/control-plane": "" });
    let labels = if name == "cp-2" { labels } else { json!({}) };
    let of_api = json!({ "metadata": { "name": name, "labels": labels }, "status": node_info(machine_of_node) });
    expect_nodes(&api, &[of_api]);
    let wanted = Wanted { uid: known.map(str::to_owned), ..Wanted::new(spec()) };
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let outcome = rewrite_marker::run(&cx, &name).await;
    let file = fakes[&name].file(kubeone_facts::marker::PATH);
    let marker = file.map(|file| serde_json::from_slice(file.content.expose()).unwrap());
    Rewritten { outcome, marker }
}

fn worker(changes: &Value) -> FakeHost {
    let mut facts = json!({ "marker": DAMAGED });
    facts.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    FakeHost::new("w-1").answers("os/linux/observe.sh", node(facts))
}

/// The state of the cluster names it, or it is being made and a control plane does.
#[tokio::test]
async fn a_damaged_marker_says_again_whose_the_node_is() {
    for known in [Some(UID), None] {
        let Rewritten { outcome, marker } = rewrite(worker(&json!({})), known, "m", None).await;
        assert!(matches!(outcome.unwrap(), Outcome::Warning(_)));
        let marker = marker.unwrap();
        assert_eq!((marker.cluster.as_str(), marker.uid.as_deref(), marker.adopted), ("prod", Some(UID), true));
        // There is no record of which were there before.
        assert_eq!(marker.packages_kept, ["containerd.io", "kubelet"]);
    }
    let ours = json!({ "files": { "/etc/containerd/config.toml": "ab" } });
    let marker = rewrite(worker(&ours), Some(UID), "m", None).await.marker.unwrap();
    assert!(!marker.adopted, "files of ours are on it");
}

#[tokio::test]
async fn whoever_is_not_sure_to_be_the_node_keeps_its_damaged_marker() {
    let other_ca = json!({ "certificates": {}, "kubernetes": { "kubelet_conf": true, "ca_sha256": "ab" } });
    let no_machine = json!({ "machine_id": "" });
    for (facts, known, machine) in
        [(json!({}), Some(UID), "another"), (other_ca, Some(UID), "m"), (no_machine, Some(UID), "")]
    {
        let Rewritten { outcome, marker } = rewrite(worker(&facts), known, machine, None).await;
        outcome.unwrap_err();
        assert_eq!(marker, None);
    }
}

/// It was cut off while it joined: whoever is no node yet joins again.
#[tokio::test]
async fn a_join_that_was_cut_off_is_no_finished_node() {
    let marker = rewrite(worker(&json!({ "kubelet_active": false })), Some(UID), "m", None).await.marker.unwrap();
    assert_eq!(marker.uid, None);
}

/// A member of the present etcd has its data; who is not has missed the restore.
#[tokio::test]
async fn a_control_plane_remembers_the_restore_of_the_etcd_it_is_a_member_of() {
    let restored = "2026-01-01T00:00:00Z snapshot x";
    let present = r#"{"members":[{"ID":"1","name":"cp-1"},{"ID":"2","name":"cp-2"}]}"#;
    let before = r#"{"members":[{"ID":"7","name":"cp-1"},{"ID":"8","name":"cp-2"}]}"#;
    for (members, expected) in [(present, Some(restored)), (before, None), ("", None)] {
        let pods = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
        let facts = node(json!({
            "marker": { "unusable": "it is empty" }, "etcd_members": members,
            "kubernetes": { "kubelet_conf": true, "admin_conf": true, "static_pods": pods },
        }));
        let host = FakeHost::new("cp-2").answers("os/linux/observe.sh", facts);
        let marker = rewrite(host, Some(UID), "m", Some(restored)).await.marker.unwrap();
        assert_eq!(marker.restored.as_deref(), expected, "{members}");
    }
}

#[tokio::test]
async fn a_host_with_a_damaged_marker_is_reset_where_the_plan_knows_its_ca() {
    for (ca, is_reset) in [(Some("ab"), true), (Some("other"), false), (None, false)] {
        let facts = json!({ "marker": DAMAGED, "kubernetes": { "kubelet_conf": true, "ca_sha256": "ab" } });
        let host = FakeHost::new("w-1")
            .answers("os/linux/observe.sh", seen(facts))
            .answers("os/linux/reset_node.sh", "")
            .answers("os/debian/remove_packages.sh", "")
            .answers("os/linux/remove_configuration.sh", "");
        let (hosts, fakes) = hosts([host]);
        let wanted = Wanted::new(spec());
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        let outcome = reset_host::run(&cx, "w-1", Role::Worker, ca).await;
        assert_eq!(outcome.is_ok(), is_reset, "{ca:?}");
        assert_eq!(fakes["w-1"].log().iter().any(|call| call.contains("reset_node")), is_reset, "{ca:?}");
    }
}
