//! Steps that take snapshots of etcd and copy them.

use std::io::Read as _;
use std::path::PathBuf;

use age::secrecy::ExposeSecret as _;
use kubeone_facts::{Snapshot, SnapshotCause};
use kubeone_plan::snapshots::retention;
use kubeone_spec::Secret;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::bundle::{self, Identity};
use crate::local::LocalMachine;

const NAME: &str = "prod-20260102T030405Z-r7-v1.35.4";
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

const DATABASE: &[u8] = b"everything that etcd holds";

fn content(database: &[u8]) -> Value {
    json!({
        "name": NAME, "taken_at": "2026-01-02T03:04:05Z", "revision": 7, "size": database.len(),
        "sha256": hex::encode(Sha256::digest(database)), "kubernetes_version": "1.35.4", "etcd_version": "3.6.6-0",
    })
}

fn description(awaits_copy: bool) -> Value {
    description_of(DATABASE, awaits_copy)
}

fn description_of(database: &[u8], awaits_copy: bool) -> Value {
    let mut description = content(database);
    let more = json!({ "cluster": "prod", "cluster_uid": UID, "host": "cp-1", "cause": { "trigger": "a" } });
    description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if awaits_copy {
        description["awaits_copy"] = json!(true);
    }
    description
}

fn on_disk(awaits_copy: bool) -> RemoteFile {
    let text = serde_json::to_vec_pretty(&description(awaits_copy)).unwrap();
    RemoteFile::private(format!("/var/backups/kubeone/{NAME}.json"), text)
}

/// The control plane cp-1 that holds a snapshot, as its script describes it.
fn holder(awaits_copy: bool, api_server_arguments: &str) -> FakeHost {
    holder_of(DATABASE, awaits_copy, api_server_arguments)
}

fn holder_of(database: &[u8], awaits_copy: bool, api_server_arguments: &str) -> FakeHost {
    let snapshots = json!([{ "held": true, "description": description_of(database, awaits_copy).to_string() }]);
    peer()
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)), "snapshots": snapshots })))
        .has_file(RemoteFile::private(format!("/var/backups/kubeone/{NAME}.db"), database))
        .has_file(RemoteFile::private(MANIFEST, format!("  - command:\n    - kube-apiserver\n{api_server_arguments}")))
        .has_file(on_disk(awaits_copy))
}

fn backup(to: &str, recipients: &[String]) -> ClusterSpec {
    let mut spec = spec();
    spec.backup = serde_json::from_value(json!({ "copy_to": to, "recipients": recipients })).unwrap();
    spec
}

struct Copied {
    outcome: Outcome,
    home: TempDir,
    host: Arc<FakeHost>,
}

impl Copied {
    async fn by(host: FakeHost, to: &str, recipients: &[String]) -> Self {
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let (hosts, fakes) = hosts([host]);
        let wanted = Wanted::new(backup(to, recipients));
        let local = LocalMachine { home: Some(home.path().to_owned()), ..LocalMachine::default() };
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_local(local);
        let outcome = copy_snapshots::run(&cx, "cp-1").await.unwrap();
        Self { outcome, home, host: fakes["cp-1"].clone() }
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.home.path().join(format!("copies/{NAME}.{kind}"))
    }

    /// What the host says of its snapshot now.
    fn noted(&self) -> Value {
        let file = self.host.file(format!("/var/backups/kubeone/{NAME}.json")).unwrap();
        serde_json::from_slice(file.content.expose()).unwrap()
    }

    #[track_caller]
    fn must_be_to_do_still(&self, because: &str) {
        let Outcome::Warning(text) = &self.outcome else { panic!("{:?}", self.outcome) };
        assert!(text.contains(because) && text.contains(NAME), "{text}");
        assert_eq!(self.noted(), description(true));
        assert!(!self.path("age").exists() && !self.path("db").exists());
    }
}

fn pair() -> (String, Vec<Identity>) {
    let key = age::x25519::Identity::generate();
    let text = Secret::new(key.to_string().expose_secret().to_owned());
    (key.to_public().to_string(), Identity::parse_all(&text).unwrap())
}

#[tokio::test]
async fn a_copy_for_recipients_holds_all_that_a_restore_needs() {
    let (recipient, identities) = pair();
    let encryption = "    - --encryption-provider-config=/etc/kubernetes/secrets.yaml\n";
    let host = holder(true, encryption).has_file(RemoteFile::private("/etc/kubernetes/secrets.yaml", "aescbc"));
    let copied = Copied::by(host, "~/copies", &[recipient]).await;
    assert_eq!(copied.outcome, Outcome::Done);
    assert_eq!(copied.noted(), description(false));
    log(
        &copied.host,
        &expect![[r#"
            run os/linux/observe.sh
            read /etc/kubernetes/manifests/kube-apiserver.yaml
            read /etc/kubernetes/pki/ca.crt
            read /etc/kubernetes/pki/ca.key
            read /etc/kubernetes/pki/sa.pub
            read /etc/kubernetes/pki/sa.key
            read /etc/kubernetes/pki/front-proxy-ca.crt
            read /etc/kubernetes/pki/front-proxy-ca.key
            read /etc/kubernetes/pki/etcd/ca.crt
            read /etc/kubernetes/pki/etcd/ca.key
            read /etc/kubernetes/secrets.yaml
            read /var/backups/kubeone/prod-20260102T030405Z-r7-v1.35.4.db from 0
            write /var/backups/kubeone/prod-20260102T030405Z-r7-v1.35.4.json 600
        "#]],
    );
    let bundle = bundle::open(&copied.path("age"), &identities).unwrap();
    assert_eq!(serde_json::to_value(&bundle.snapshot).unwrap(), description(false));
    let mut copy = Vec::new();
    bundle.database().unwrap().read_to_end(&mut copy).unwrap();
    assert_eq!(copy, DATABASE);
    let files: Vec<_> = bundle.files.iter().map(|file| format!("{} {:o}", file.path.display(), file.mode)).collect();
    expect![[r#"
        /etc/kubernetes/pki/ca.crt 644
        /etc/kubernetes/pki/ca.key 600
        /etc/kubernetes/pki/sa.pub 644
        /etc/kubernetes/pki/sa.key 600
        /etc/kubernetes/pki/front-proxy-ca.crt 644
        /etc/kubernetes/pki/front-proxy-ca.key 600
        /etc/kubernetes/pki/etcd/ca.crt 644
        /etc/kubernetes/pki/etcd/ca.key 600
        /etc/kubernetes/secrets.yaml 600"#]]
    .assert_eq(&files.join("\n"));
}

#[tokio::test]
async fn a_copy_for_nobody_is_the_snapshot_alone() {
    let copied = Copied::by(holder(true, ""), "~/copies", &[]).await;
    assert_eq!((&copied.outcome, copied.noted()), (&Outcome::Done, description(false)));
    assert_eq!(std::fs::read(copied.path("db")).unwrap(), DATABASE);
    let beside: Snapshot = serde_json::from_slice(&std::fs::read(copied.path("json")).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&beside).unwrap(), description(false));
    assert!(!copied.host.log().iter().any(|line| line.contains("pki")), "{:?}", copied.host.log());
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts() {
    let database: Vec<u8> = (0..=250).cycle().take((4 << 20) + 1).collect();
    let copied = Copied::by(holder_of(&database, true, ""), "~/copies", &[]).await;
    assert_eq!(copied.outcome, Outcome::Done);
    assert!(std::fs::read(copied.path("db")).unwrap() == database);
    let reads: Vec<_> =
        copied.host.log().into_iter().filter_map(|line| Some(line.split_once(" from ")?.1.to_owned())).collect();
    assert_eq!(reads, ["0", "4194304"]);
}

#[tokio::test]
async fn what_is_copied_is_not_copied_again() {
    let copied = Copied::by(holder(false, ""), "~/copies", &[]).await;
    assert_eq!(copied.outcome, Outcome::Skipped("there is nothing left to copy".to_owned()));
    assert!(!copied.path("db").exists());
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_is_a_warning_and_stays_to_do() {
    Copied::by(holder(true, ""), "~/file/copies", &[]).await.must_be_to_do_still("file/copies");
    let encryption = "    - \"--encryption-provider-config=/etc/kubernetes/gone.yaml\"\n";
    let copied = Copied::by(holder(true, encryption), "~/copies", &[pair().0]).await;
    copied.must_be_to_do_still("`/etc/kubernetes/gone.yaml` is missing on `cp-1`");
    for path in ["/root/.ssh/id_ed25519", "/etc/kubernetes/../shadow", "/etc/kubernetes/manifests/x.yaml"] {
        let elsewhere = format!("    - --encryption-provider-config={path}\n");
        let host = holder(true, &elsewhere).has_file(RemoteFile::private(path, "secret"));
        let copied = Copied::by(host, "~/copies", &[pair().0]).await;
        assert!(!copied.host.log().contains(&format!("read {path}")), "{path} is not read");
        copied.must_be_to_do_still(&format!("`--encryption-provider-config` of the API server on `cp-1`: `{path}` "));
    }
    let mut rotten = DATABASE.to_vec();
    rotten[5] ^= 1;
    let host =
        || holder(true, "").has_file(RemoteFile::private(format!("/var/backups/kubeone/{NAME}.db"), rotten.clone()));
    Copied::by(host(), "~/copies", &[]).await.must_be_to_do_still("its checksum is another one");
    Copied::by(host(), "~/copies", &[pair().0]).await.must_be_to_do_still("its checksum is another one");
}

/// A snapshot that another cluster of this name left on the host is of no use to this one.
#[tokio::test]
async fn snapshots_of_others_are_not_copied() {
    let text = description(true).to_string().replace(UID, "00000000-0000-0000-0000-000000000002");
    let snapshots = json!([{ "held": true, "description": text }]);
    let facts = seen(json!({ "marker": marker(Some(UID)), "snapshots": snapshots }));
    let copied =
        Copied::by(FakeHost::new("cp-1").answers("os/linux/observe.sh", facts).has_file(on_disk(true)), "~", &[]);
    assert!(matches!(copied.await.outcome, Outcome::Skipped(_)));
}

#[tokio::test]
async fn a_cancelled_run_copies_nothing_and_says_nothing_else() {
    let (hosts, fakes) = hosts([holder(true, "")]);
    let home = TempDir::new().unwrap();
    let wanted = Wanted::new(backup(&home.path().display().to_string(), &[]));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    cx.cancel.cancel();
    assert!(matches!(copy_snapshots::run(&cx, "cp-1").await, Err(StepError::Cancelled)));
    assert_eq!(fakes["cp-1"].file(format!("/var/backups/kubeone/{NAME}.json")), Some(on_disk(true)));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// The host with the snapshot remembers that its copy is to be made; the others only that it was taken.
#[tokio::test]
async fn a_snapshot_that_is_to_be_copied_says_so_where_it_lies() {
    for copy_to in [None, Some("/copies".to_owned())] {
        let facts = || seen(json!({ "marker": marker(Some(UID)) }));
        let host = |name: &str| {
            FakeHost::new(name).answers("os/linux/observe.sh", facts()).answers("os/linux/prune_snapshots.sh", "")
        };
        let holder = host("cp-1")
            .answers("os/linux/etcd_members.sh", r#"{"members":[]}"#)
            .answers("os/linux/take_snapshot.sh", content(DATABASE).to_string());
        let (hosts, fakes) = hosts([holder, host("cp-2")]);
        let mut wanted = Wanted::new(spec());
        wanted.spec.backup.copy_to.clone_from(&copy_to);
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        let cause = SnapshotCause::Trigger("a".to_owned());
        assert_eq!(take_snapshot::run(&cx, "cp-1", &cause).await.unwrap(), Outcome::Done);
        for (host, awaits_copy) in [("cp-1", copy_to.is_some()), ("cp-2", false)] {
            let file = fakes[host].file(format!("/var/backups/kubeone/{NAME}.json")).unwrap();
            let noted: Value = serde_json::from_slice(file.content.expose()).unwrap();
            assert_eq!(noted, description(awaits_copy), "{host}");
        }
        assert_eq!(variable(&fakes["cp-2"], "os/linux/prune_snapshots.sh", "KEEP"), NAME);
    }
}

/// The description goes to all control planes, under the name that one of them says.
#[tokio::test]
async fn a_name_that_leads_elsewhere_is_written_nowhere() {
    let mut taken = content(DATABASE);
    taken["name"] = json!("../../../etc/cni/net.d/00-evil");
    let seen = || seen(json!({ "marker": marker(Some(UID)) }));
    let liar = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen())
        .answers("os/linux/etcd_members.sh", r#"{"members":[]}"#)
        .answers("os/linux/take_snapshot.sh", taken.to_string());
    let (hosts, fakes) = hosts([liar, FakeHost::new("cp-2").answers("os/linux/observe.sh", seen())]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = take_snapshot::run(&cx, "cp-1", &SnapshotCause::Trigger("a".to_owned())).await.unwrap_err();
    let told = crate::observe::causes(&error);
    assert!(told.contains("this is not the name of a snapshot"), "{told}");
    assert!(fakes.values().flat_map(|host| host.log()).all(|call| !call.starts_with("write")));
}

#[tokio::test]
async fn no_snapshot_is_taken_of_a_member_without_a_quorum() {
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .fails("os/linux/etcd_members.sh", 28, "timed out");
    let (hosts, fakes) = hosts([host]);
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
    let error = take_snapshot::run(&cx, "cp-1", &SnapshotCause::Trigger("a".to_owned())).await.unwrap_err();
    assert!(error.to_string().contains("does not see most of its members"), "{error}");
    assert!(fakes["cp-1"].log().iter().all(|call| !call.contains("take_snapshot")));
}

/// One that an earlier cluster of this name left for the same trigger is not this cluster's.
#[tokio::test]
async fn a_snapshot_of_an_earlier_cluster_does_not_stand_for_a_new_one() {
    for (uid, is_taken) in [(UID, true), ("00000000-0000-0000-0000-000000000002", false)] {
        let text = description(false).to_string().replace(UID, uid);
        let snapshots = json!([{ "held": true, "description": text }]);
        let host = FakeHost::new("cp-1")
            .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)), "snapshots": snapshots })))
            .answers("os/linux/etcd_members.sh", r#"{"members":[]}"#)
            .answers("os/linux/take_snapshot.sh", content(DATABASE).to_string())
            .answers("os/linux/prune_snapshots.sh", "");
        let (hosts, _fakes) = hosts([host]);
        let wanted = Wanted::new(spec());
        let cx = Cx::new(&wanted, &hosts, CancellationToken::new());
        let outcome = take_snapshot::run(&cx, "cp-1", &SnapshotCause::Trigger("a".to_owned())).await.unwrap();
        assert_eq!(matches!(outcome, Outcome::Skipped(_)), is_taken, "{uid}");
    }
}

/// The clock of the host that takes the new one is behind, and only one is kept.
#[test]
fn the_snapshot_just_taken_is_never_removed() {
    let snapshot = |name: &str, trigger: &str| -> Snapshot {
        let mut described = description(false);
        described["name"] = json!(name);
        described["cause"] = json!({ "trigger": trigger });
        serde_json::from_value(described).unwrap()
    };
    let names = ["prod-2026-a", "prod-2026-b", "prod-2026-c"].map(|name| snapshot(name, "before"));
    let new = snapshot("prod-2025-new", "now");
    let earlier: Vec<_> = names.iter().collect();
    for (keep, expected) in [(1, vec!["prod-2025-new"]), (3, vec!["prod-2026-b", "prod-2026-c", "prod-2025-new"])] {
        let mut spec = spec();
        spec.backup.keep = keep;
        spec.backup.trigger = Some("now".to_owned());
        let all: Vec<_> = [&new].into_iter().chain(earlier.iter().copied()).collect();
        for known in [&earlier, &all] {
            let stay = retention(&spec, known, &new);
            assert_eq!((stay.keep, stay.remember), (expected.iter().map(ToString::to_string).collect(), Vec::new()));
        }
    }
}
