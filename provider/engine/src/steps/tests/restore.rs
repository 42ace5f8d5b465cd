//! Steps that put etcd back.

use age::secrecy::ExposeSecret as _;
use kubeone_spec::{Restore, Secret};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::bundle::{self, NewCopy, Seal};
use crate::local::LocalMachine;

pub(super) const NAME: &str = "prod-20260102T030405Z-r7-v1.35.4";
pub(super) const WHAT: &str = "snapshot prod-20260102T030405Z-r7-v1.35.4";

pub(super) fn description(uid: &str, database: &[u8]) -> Value {
    json!({
        "name": NAME, "cluster": "prod", "cluster_uid": uid, "host": "cp-1", "cause": { "trigger": "a" },
        "taken_at": "2026-01-02T03:04:05Z", "revision": 7, "size": database.len(),
        "sha256": hex::encode(Sha256::digest(database)), "kubernetes_version": "1.35.4", "etcd_version": "3.6.6-0",
    })
}

fn restoring(restore: Restore) -> ClusterSpec {
    ClusterSpec { restore: Some(restore), ..spec() }
}

pub(super) fn from_snapshot(snapshot: &str) -> ClusterSpec {
    restoring(Restore { snapshot: Some(snapshot.to_owned()), ..Restore::default() })
}

/// A finished control plane that holds a snapshot of the cluster with this uid.
pub(super) fn holder(uid: &str) -> FakeHost {
    let snapshots = json!([{ "held": true, "description": description(uid, b"data").to_string() }]);
    let facts = json!({ "marker": marker(Some(UID)), "snapshots": snapshots });
    peer().answers("os/linux/observe.sh", seen(facts))
}

pub(super) fn that_restores(host: FakeHost) -> FakeHost {
    host.answers("os/linux/restore_etcd.sh", "")
        .answers("os/linux/record_files.sh", "")
        .answers("os/linux/end_restore.sh", "")
}

fn remembers(host: &FakeHost) -> String {
    let marker = marker_on(host);
    assert_eq!(marker.uid.as_deref(), Some(UID));
    marker.restored.as_deref().and_then(|text| text.split_once(' ')).map_or_else(String::new, |it| it.1.to_owned())
}

#[tokio::test]
async fn a_control_plane_is_stopped_for_what_is_restored() {
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers("os/linux/stop_control_plane.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    assert_eq!(stop_control_plane::run(&cx, "cp-1", WHAT).await.unwrap(), Outcome::Done);
    assert_eq!(variable(&fakes["cp-1"], "os/linux/stop_control_plane.sh", "WHAT"), WHAT);
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            run os/linux/stop_control_plane.sh as kubeone-restore
        "#]],
    );
}

/// What a restore left that had come to its end must not be taken for what this one has done.
#[tokio::test]
async fn traces_of_an_earlier_restore_go_first() {
    let earlier = "snapshot prod-20250102T030405Z-r1-v1.35.4";
    let marker = json!({
        "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": format!("2026-01-01T00:00:00Z {earlier}"),
    });
    let begun = json!({ "what": earlier, "replaced": true });
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker.to_string(), "restore": begun })))
        .answers("os/linux/end_restore.sh", "")
        .answers("os/linux/stop_control_plane.sh", "");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    stop_control_plane::run(&cx, "cp-1", WHAT).await.unwrap();
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            run os/linux/end_restore.sh
            run os/linux/stop_control_plane.sh as kubeone-restore
        "#]],
    );
}

#[tokio::test]
async fn etcd_is_restored_from_the_snapshot_on_the_host_and_lost_nodes_are_forgotten() {
    let (hosts, fakes) = hosts([that_restores(holder(UID))]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(restore_etcd::run(&cx, "cp-1", WHAT).await.unwrap(), Outcome::Done);
    let host = &fakes["cp-1"];
    let of = |name| variable(host, "os/linux/restore_etcd.sh", name);
    assert_eq!(of("SNAPSHOT"), format!("/var/backups/kubeone/{NAME}.db"));
    assert_eq!(of("SHA256"), hex::encode(Sha256::digest(b"data")));
    assert_eq!(remembers(host), WHAT);
    log(
        host,
        &expect![[r#"
            attach kubeone-restore
            run os/linux/observe.sh
            run os/linux/restore_etcd.sh as kubeone-restore
            run os/linux/record_files.sh
            read /etc/kubeone/cluster.json
            write /etc/kubeone/cluster.json 644
            run os/linux/end_restore.sh
        "#]],
    );
}

/// Another machine ran Terraform then, whose clock was ahead. The older of two clusters must not be taken for the present.
#[tokio::test]
async fn a_restore_is_remembered_as_later_than_any_before() {
    let earlier = json!({
        "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": "2999-01-01T00:00:00Z the data of cp-2",
    });
    let other = FakeHost::new("cp-2").has_file(RemoteFile::public(kubeone_facts::marker::PATH, earlier.to_string()));
    let (hosts, fakes) = hosts([that_restores(holder(UID)), other]);
    let wanted = Wanted::new(from_snapshot(NAME));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    restore_etcd::run(&cx, "cp-1", WHAT).await.unwrap();
    assert_eq!(marker_on(&fakes["cp-1"]).restored, Some(format!("2999-01-01T00:00:01Z {WHAT}")));
}

/// A plain copy on the machine that runs Terraform.
pub(super) fn plain_copy(uid: &str, database: &[u8]) -> (TempDir, LocalMachine) {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join(format!("{NAME}.db")), database).unwrap();
    std::fs::write(home.path().join(format!("{NAME}.json")), description(uid, database).to_string()).unwrap();
    let local = LocalMachine { home: Some(home.path().to_owned()), ..LocalMachine::default() };
    (home, local)
}

pub(super) fn that_receives(host: FakeHost) -> FakeHost {
    host.answers("os/linux/receive_snapshot.sh", "").answers("os/linux/check_snapshot.sh", "")
}

/// The host as an earlier step left it.
pub(super) fn that_received(host: FakeHost) -> FakeHost {
    let receipt = description(UID, b"data").to_string();
    host.has_file(RemoteFile::private(format!("/var/backups/kubeone/incoming/{NAME}.json"), receipt))
}

/// The API is asked for the time.
fn expect_clock(api: &FakeApi) {
    api.expect("GET /livez", 200, &json!("ok"));
}

/// Answers once restored data are in place.
pub(super) fn restored_api() -> FakeApi {
    let api = FakeApi::new();
    expect_clock(&api);
    expect_namespace(&api);
    // Once for its own Node, once for those that nobody stands behind.
    expect_nodes(&api, &[json!({ "metadata": { "name": "cp-1" } })]);
    expect_nodes(&api, &[json!({ "metadata": { "name": "cp-1" } })]);
    api
}

/// Nothing is opened or sent while the API is away.
#[tokio::test]
async fn what_was_sent_before_is_restored() {
    let (hosts, fakes) = hosts([that_restores(that_received(holder(UID)))]);
    let wanted = Wanted::new(from_snapshot(&format!("/nowhere/{NAME}.age")));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    restore_etcd::run(&cx, "cp-1", WHAT).await.unwrap();
    let of = |name| variable(&fakes["cp-1"], "os/linux/restore_etcd.sh", name);
    assert_eq!(of("SNAPSHOT"), format!("/var/backups/kubeone/incoming/{NAME}.db"));
    assert_eq!(of("SHA256"), hex::encode(Sha256::digest(b"data")));
}

/// As where its host has become another one since.
#[tokio::test]
async fn what_is_not_there_any_more_is_brought_before_it_is_restored() {
    let (_home, local) = plain_copy(UID, b"data");
    let (hosts, fakes) = hosts([that_restores(that_receives(holder(UID)))]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.db")));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster()).with_local(local);
    restore_etcd::run(&cx, "cp-1", WHAT).await.unwrap();
    assert_eq!(fakes["cp-1"].unused(), Vec::<String>::new());
}

/// An earlier run put the data in place: nothing is sent or read again.
#[tokio::test]
async fn a_restore_is_completed_with_the_data_that_are_in_place() {
    let host =
        FakeHost::new("cp-1").has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker(Some(UID)))).answers(
            "os/linux/observe.sh",
            seen(json!({ "marker": marker(Some(UID)), "restore": { "what": WHAT, "replaced": true } })),
        );
    let (hosts, fakes) = hosts([that_restores(host)]);
    let wanted = Wanted::new(from_snapshot("/nowhere/prod-20260102T030405Z-r7-v1.35.4.age"));
    let api = restored_api();
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    restore_etcd::run(&cx, "cp-1", WHAT).await.unwrap();
    assert_eq!(remembers(&fakes["cp-1"]), WHAT);
}

/// An adopted cluster whose API servers need files that kubeadm does not make.
#[tokio::test]
async fn who_joins_again_keeps_what_is_not_kubeadms_and_gets_what_it_lacks() {
    let restored = |when: &str| {
        let restored = format!("{when} {WHAT}");
        json!({ "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": restored }).to_string()
    };
    let facts = json!({
        "marker": restored("2025-01-01T00:00:00Z"), "kubelet_active": true,
        "kubernetes": { "kubelet_conf": true, "ca_sha256": "ab", "etcd_data": true },
    });
    let newcomer = FakeHost::new("cp-2")
        .answers("os/linux/observe.sh", seen(facts))
        .answers("os/linux/reset_node.sh", "")
        .has_file(RemoteFile::private("/etc/kubernetes/secrets.yaml", "its own"));
    let arguments = "    - --encryption-provider-config=/etc/kubernetes/secrets.yaml\n    \
                     - --audit-policy-file=/etc/kubernetes/audit.yaml\n    - --oidc-ca-file=/etc/kubernetes/gone.crt\n";
    // As with any join; here the test ends, for such a CA is none.
    let peer = peer()
        .has_file(RemoteFile::public("/etc/kubernetes/pki/ca.crt", "no certificate"))
        .has_file(RemoteFile::public(kubeone_facts::marker::PATH, restored("2026-01-01T00:00:00Z")))
        .has_file(RemoteFile::private("/etc/kubernetes/manifests/kube-apiserver.yaml", arguments))
        .has_file(RemoteFile::private("/etc/kubernetes/secrets.yaml", "the peer's"))
        .has_file(RemoteFile::private("/etc/kubernetes/audit.yaml", "policy"))
        .answers("os/linux/etcd_members.sh", r#"{"members":[{"ID":"1","name":"cp-1"}]}"#);
    let (hosts, fakes) = hosts([peer, newcomer]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_nodes(&api, &[]);
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = join_control_plane::run(&cx, "cp-2").await.unwrap_err();
    assert!(error.to_string().contains("CA"), "{error}");
    let host = &fakes["cp-2"];
    assert_eq!(variable(host, "os/linux/reset_node.sh", "JOINS_AGAIN"), "true");
    let content = |path: &str| host.file(path).map(|file| file.content.expose().clone());
    assert_eq!(content("/etc/kubernetes/audit.yaml"), Some(b"policy".to_vec()));
    assert_eq!(content("/etc/kubernetes/secrets.yaml"), Some(b"its own".to_vec()));
    assert_eq!(content("/etc/kubernetes/gone.crt"), None);
}

#[tokio::test]
async fn a_peer_does_not_choose_where_its_files_go() {
    for path in ["/root/.ssh/authorized_keys", "/etc/kubernetes/../passwd", "/etc/kubernetes/manifests/x.yaml"] {
        for argument in ["encryption-provider-config", "audit-policy-file"] {
            let manifest = format!("    - --{argument}={path}\n");
            let peer = peer()
                .has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker(Some(UID))))
                .has_file(RemoteFile::private("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest))
                .has_file(RemoteFile::private(path, "evil"));
            let (hosts, fakes) = hosts([peer, FakeHost::new("cp-2")]);
            let wanted = Wanted::new(spec());
            let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
            let found = peer::finished_control_plane(&cx, "cp-2", Role::ControlPlane, UID).await;
            match found {
                Err(error) => assert!(error.to_string().contains(&format!("`{path}` ")), "{error}"),
                // What is no setting of an API server by its place is passed over.
                Ok(peer) => assert!(argument == "audit-policy-file" && peer.named_files.is_empty(), "{path}"),
            }
            assert!(!fakes["cp-1"].log().contains(&format!("read {path}")), "{path} is not read");
        }
    }
}

/// A copy as an earlier run made it, and the machine that has it and the key.
fn encrypted_copy(uid: &str) -> (TempDir, LocalMachine) {
    let home = TempDir::new().unwrap();
    let key = age::x25519::Identity::generate();
    let keys = vec![RemoteFile::private("/etc/kubernetes/pki/ca.key", "the key")];
    let seal = Some(Seal::new(&[key.to_public().to_string()], keys).unwrap());
    let snapshot = serde_json::from_value(description(uid, b"data")).unwrap();
    bundle::write(&NewCopy { folder: home.path().to_owned(), snapshot, seal }, &b"data"[..]).unwrap();
    let identity = Some(Secret::new(key.to_string().expose_secret().to_owned()));
    let local = LocalMachine { home: Some(home.path().to_owned()), identity, ..LocalMachine::default() };
    (home, local)
}

#[tokio::test]
async fn a_new_machine_begins_with_the_keys_and_the_data_of_a_lost_cluster() {
    let (_home, local) = encrypted_copy(UID);
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })))
        .answers("os/linux/seed_etcd.sh", "")
        .answers("os/linux/kubeadm_init.sh", "")
        .answers("os/linux/remove_super_admin.sh", "")
        .answers("os/linux/record_files.sh", "")
        .answers("os/linux/end_restore.sh", "");
    let (hosts, fakes) = hosts([that_receives(host)]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.age")));
    let api = FakeApi::new();
    expect_clock(&api);
    expect_namespace(&api);
    expect_control_plane(&api, "cp-1");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster()).with_local(local);
    init_control_plane::run(&cx, "cp-1", VERSION, true).await.unwrap();
    let host = &fakes["cp-1"];
    assert_eq!(variable(host, "os/linux/seed_etcd.sh", "PEER_URL"), "https://10.0.0.1:2380");
    assert_eq!(variable(host, "os/linux/kubeadm_init.sh", "IGNORED"), "DirAvailable--var-lib-etcd");
    assert_eq!(remembers(host), WHAT);
    log(
        host,
        &expect![[r#"
            attach kubeone-restore
            attach kubeone-init
            run os/linux/observe.sh
            run os/linux/receive_snapshot.sh
            write /var/backups/kubeone/incoming/prod-20260102T030405Z-r7-v1.35.4.part-000000 600
            run os/linux/check_snapshot.sh as kubeone-restore
            write /etc/kubernetes/pki/ca.key 600
            run os/linux/seed_etcd.sh as kubeone-restore
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
            run os/linux/kubeadm_init.sh as kubeone-init
            run os/linux/remove_super_admin.sh
            run os/linux/record_files.sh
            write /etc/kubeone/configured.json 644
            write /etc/kubeone/cluster.json 644
            run os/linux/end_restore.sh
        "#]],
    );
}

#[tokio::test]
async fn another_cluster_is_never_taken_for_the_restored_one() {
    let (_home, local) = encrypted_copy("another");
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })))
        .answers("os/linux/seed_etcd.sh", "")
        .answers("os/linux/kubeadm_init.sh", "")
        .answers("os/linux/remove_super_admin.sh", "");
    let (hosts, fakes) = hosts([that_receives(host)]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.age")));
    let api = FakeApi::new();
    expect_namespace(&api);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster()).with_local(local);
    let error = init_control_plane::run(&cx, "cp-1", VERSION, true).await.unwrap_err();
    assert!(error.to_string().contains("one of another cluster"), "{error}");
    assert!(fakes["cp-1"].file(kubeone_facts::marker::PATH).is_none());
}

#[tokio::test]
async fn without_the_key_nothing_is_done() {
    let (_home, local) = encrypted_copy(UID);
    let (hosts, fakes) = hosts([FakeHost::new("cp-1")]);
    let wanted = Wanted::new(from_snapshot(&format!("~/{NAME}.age")));
    let local = LocalMachine { identity: None, ..local };
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local);
    let error = init_control_plane::run(&cx, "cp-1", VERSION, true).await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("backup.identity")), "{error}");
    assert_eq!(fakes["cp-1"].log(), Vec::<String>::new());
}
