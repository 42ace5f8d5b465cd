//! Snapshots of etcd: taken, sent, checked, put in place and pruned.

use std::fs;

use kubeone_hosts::Script;

use crate::restore::{bump_of, sha256};
use crate::sandbox::{Sandbox, script};

const FOLDER: &str = "/var/backups/kubeone";

/// A control plane whose etcdctl saves this database with the checksum that etcd puts behind it.
fn that_saves(database: &str, checksum: &str) -> Sandbox {
    let host = Sandbox::control_plane();
    let saved = [database.as_bytes(), &hex::decode(checksum).unwrap()].concat();
    fs::write(host.path("/fakes/saved"), saved).unwrap();
    host.fake("etcdctl", r#"case $* in *'snapshot save '*) cp /fakes/saved "${*: -1}" ;; *) unexpected ;; esac"#);
    fs::rename(host.path("/fakes/bin/etcdctl"), host.path("/fakes/image/usr/local/bin/etcdctl")).unwrap();
    host
}

fn take() -> Script {
    script("take_snapshot").var("CLUSTER", "prod")
}

#[test]
fn a_snapshot_is_described_as_it_is_and_only_root_reads_it() {
    let host = that_saves("data", &sha256(b"data"));
    let printed = host.run(&take()).ok();
    let described = printed.lines().last().unwrap();
    let names = host.tree(FOLDER);
    assert_eq!(names.len(), 1, "{names:?}");
    let name = names[0].strip_suffix(".db").unwrap();
    assert!(name.starts_with("prod-20") && name.ends_with("Z-r41-v1.35.4"), "{name}");
    let hash = sha256(fs::read(host.path(&format!("{FOLDER}/{name}.db"))).unwrap());
    for expected in [
        format!(r#""name":"{name}""#),
        format!(r#""sha256":"{hash}""#),
        r#""size":36"#.to_owned(),
        r#""revision":41"#.to_owned(),
        r#""kubernetes_version":"1.35.4""#.to_owned(),
        r#""etcd_version":"3.6.6-0""#.to_owned(),
    ] {
        assert!(described.contains(&expected), "{expected}: {described}");
    }
    assert_eq!((host.mode(FOLDER), host.mode(&format!("{FOLDER}/{name}.db"))), ("700".to_owned(), "600".to_owned()));
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new(), "the image is not mounted any more");
}

#[test]
fn a_snapshot_reaches_the_disk_before_it_has_its_name() {
    let host = that_saves("data", &sha256(b"data"));
    host.watch("sync").watch("mv");
    host.run(&take()).ok();
    let name = format!("{FOLDER}/{}", host.tree(FOLDER)[0]);
    crate::power_cut::assert_survives(&host.calls(), &name);
}

#[test]
fn a_damaged_snapshot_is_none() {
    let host = that_saves("data", &sha256(b"date"));
    let complaint = host.run(&take()).fails();
    assert!(complaint.contains("the snapshot is damaged: its checksum is not that of its content"), "{complaint}");
    assert_eq!(host.tree(FOLDER), [".new.db"]);
    // The next one takes its place.
    fs::copy(host.path("/fakes/saved"), host.path("/fakes/old")).unwrap();
    let saved = [&b"data"[..], &hex::decode(sha256(b"data")).unwrap()].concat();
    fs::write(host.path("/fakes/saved"), saved).unwrap();
    host.run(&take()).ok();
    assert_eq!(host.tree(FOLDER).len(), 1);
}

#[test]
fn a_disk_without_room_takes_no_snapshot() {
    let host = that_saves("data", &sha256(b"data"));
    host.fake("df", "echo Avail; echo 11");
    let complaint = host.run(&take()).fails();
    assert!(
        complaint.contains("the file system of /var/backups/kubeone has 11 bytes left, and etcd holds 6"),
        "{complaint}"
    );
    host.fake("df", "echo Avail; echo 12");
    host.run(&take()).ok();
}

#[test]
fn only_snapshots_of_this_cluster_that_nobody_keeps_are_pruned() {
    let host = Sandbox::new();
    let of = |cluster: &str, revision: u32| format!("{cluster}-20260102T030405Z-r{revision}-v1.35.4");
    let (kept, remembered, old, others) = (of("prod", 1), of("prod", 2), of("prod", 3), of("prod-2", 4));
    for name in [&kept, &remembered, &old, &others] {
        host.file(&format!("{FOLDER}/{name}.db"), "").file(&format!("{FOLDER}/{name}.json"), "");
    }
    for name in ["prod-mine.db", "prod-20260102T030405Z-r3-v1.35.4.txt", "incoming/part"] {
        host.file(&format!("{FOLDER}/{name}"), "");
    }
    host.run(&script("prune_snapshots").var("CLUSTER", "prod").lines("KEEP", [&kept]).lines("REMEMBER", [&remembered]))
        .ok();
    let mut expected = vec![
        format!("{kept}.db"),
        format!("{kept}.json"),
        format!("{remembered}.json"),
        format!("{others}.db"),
        format!("{others}.json"),
        "prod-mine.db".to_owned(),
        "prod-20260102T030405Z-r3-v1.35.4.txt".to_owned(),
    ];
    expected.sort();
    assert_eq!(host.tree(FOLDER), expected);
}

fn check(parts: &[&str], sha256: &str) -> Script {
    let check = script("check_snapshot").var("SNAPSHOT", format!("{FOLDER}/incoming/x.db"));
    check.lines("PARTS", parts).var("SHA256", sha256)
}

#[test]
fn parts_are_put_together_in_their_order_and_checked() {
    let host = Sandbox::new();
    let parts = ["/var/backups/kubeone/incoming/1", "/var/backups/kubeone/incoming/2"];
    let send = || host.file(parts[0], "one ").file(parts[1], "two");
    send();
    host.run(&check(&parts, &sha256(b"one two"))).ok();
    assert_eq!(host.tree(FOLDER), ["incoming/", "incoming/x.db"]);
    assert_eq!(host.mode(&format!("{FOLDER}/incoming/x.db")), "600");
    assert!(host.exists("/var/lib/etcd"));
    host.run(&check(&parts, &sha256(b"one two"))).ok();
    let complaint = host.run(&check(&[], &sha256(b"other"))).fails();
    assert!(complaint.contains("is damaged: its SHA-256 is"), "{complaint}");
    host.fake("df", "echo Avail; echo 9");
    let complaint = host.run(&check(&[], &sha256(b"one two"))).fails();
    assert!(
        complaint.contains("the file system of /var/lib/etcd has 9 bytes left, and 268435470 are needed"),
        "{complaint}"
    );
}

#[test]
fn room_is_made_for_a_snapshot_that_is_sent() {
    let host = Sandbox::new();
    host.file("/var/backups/kubeone/incoming/old", "x");
    let receive = script("receive_snapshot").var("INCOMING", format!("{FOLDER}/incoming")).var("SIZE", 1000);
    host.run(&receive).ok();
    assert_eq!(
        (host.tree(FOLDER), host.mode(&format!("{FOLDER}/incoming"))),
        (vec!["incoming/".to_owned()], "700".to_owned())
    );
    host.fake("df", "echo Avail; echo 268437455");
    let complaint = host.run(&receive).fails();
    assert!(complaint.contains("has 268437455 bytes left, and 268437456 are needed"), "{complaint}");
}

fn seed(sha256: &str) -> Script {
    let seed =
        script("seed_etcd").var("KUBERNETES_VERSION", "1.35.4").var("SNAPSHOT", "/snapshot").var("SHA256", sha256);
    seed.var("NODE", "cp-1").var("PEER_URL", "https://10.0.0.1:2380")
}

#[test]
fn a_lost_cluster_begins_with_its_data_and_without_its_nodes() {
    let host = Sandbox::control_plane();
    fs::remove_file(host.path("/etc/kubernetes/manifests/etcd.yaml")).unwrap();
    host.fake("kubeadm", "echo registry.k8s.io/kube-apiserver:v1.35.4; echo registry.k8s.io/etcd:3.6.6-0");
    host.file("/snapshot", "snapshot A\n").file("/var/lib/etcd/member/snap/old", "");
    for _ in 0..2 {
        host.forget_calls();
        host.run(&seed(&sha256(b"snapshot A\n"))).ok();
        assert_eq!(host.read("/var/lib/etcd/member/snap/db").as_deref(), Some("restored from snapshot A\n"));
        assert_eq!(host.tree("/var/lib/etcd"), ["member/", "member/snap/", "member/snap/db", "member/wal/"]);
        assert_eq!(host.mode("/var/lib/etcd"), "700");
        let calls = host.calls();
        let deleted: Vec<_> = calls.iter().filter_map(|call| Some(call.split_once(" del --prefix ")?.1)).collect();
        assert_eq!(deleted, ["/registry/minions/", "/registry/leases/kube-node-lease/"]);
        let restored = host.calls_of("etcdutl").into_iter().find(|call| call.starts_with("snapshot restore")).unwrap();
        assert!(restored.contains("--name cp-1 --initial-cluster cp-1=https://10.0.0.1:2380"), "{restored}");
        assert!(restored.ends_with(" --mark-compacted"), "{restored}");
        // Workers that outlived the control planes have seen revisions of the lost ones.
        assert!(bump_of(&restored) > 100_000 * 1_700_000_000, "{restored}");
        assert!(!calls.iter().any(|call| call.contains("images pull")), "it is there already");
    }
    let complaint = host.run(&seed(&sha256(b"other"))).fails();
    assert!(complaint.contains("/snapshot is damaged"), "{complaint}");
    host.file("/etc/kubernetes/manifests/etcd.yaml", "");
    let complaint = host.run(&seed(&sha256(b"snapshot A\n"))).fails();
    assert!(complaint.contains("there is an etcd on this host already"), "{complaint}");
}
