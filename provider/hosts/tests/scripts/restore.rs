//! Restores of etcd, from the end of the control plane to its new beginning.

use std::time::{SystemTime, UNIX_EPOCH};

use kubeone_hosts::Script;
use sha2::{Digest as _, Sha256};

use crate::control_plane::COMPONENTS;
use crate::sandbox::{Sandbox, script};

const SNAPSHOT: &str = "/var/backups/kubeone/prod.db";

fn stop(what: &str) -> Script {
    script("stop_control_plane").var("WHAT", what)
}

/// A restore from the host's own data, or from the snapshot with this SHA-256.
fn restore(what: &str, sha256: Option<&str>) -> Script {
    let snapshot = if sha256.is_some() { SNAPSHOT } else { "" };
    let restore = script("restore_etcd").var("WHAT", what).var("SNAPSHOT", snapshot);
    restore.var("SHA256", sha256.unwrap_or_default()).var("API_PORT", 6443)
}

fn end() -> Script {
    script("end_restore").var("INCOMING", "/var/backups/kubeone/incoming")
}

pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(content))
}

#[test]
fn a_restore_ends_with_a_control_plane_that_runs_on_the_data_of_the_snapshot() {
    let host = Sandbox::control_plane();
    host.file(SNAPSHOT, "snapshot A\n");
    host.run(&stop("A")).ok();
    assert_eq!(host.running(), Vec::<String>::new());
    assert_eq!(host.read("/etc/kubernetes/kubeone-restore/what").as_deref(), Some("A\n"));
    assert!(!host.exists("/etc/kubeone/recorded/files.sha256"));

    host.run(&restore("A", Some(&sha256("snapshot A\n")))).ok();
    assert_eq!(host.running(), COMPONENTS);
    assert_eq!(host.read("/var/lib/etcd/member/snap/db").as_deref(), Some("restored from snapshot A\n"));
    assert_eq!(host.read("/var/lib/etcd/before-restore/snap/db").as_deref(), Some("first\n"));
    assert!(!host.exists("/var/lib/etcd/kubeone-new"));

    host.run(&end()).ok();
    assert!(!host.exists("/etc/kubernetes/kubeone-restore"));
}

/// By how much `etcdutl snapshot restore` raises the revision.
pub(crate) fn bump_of(call: &str) -> u64 {
    call.split_once("--bump-revision ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

/// Clients that have seen a later revision wait for it and see nothing that changes before. The data of this host do not
/// tell what another control plane has served since, so the clock does.
#[test]
fn the_revision_goes_beyond_all_that_any_control_plane_has_served() {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 100_000;
    let host = Sandbox::control_plane();
    host.file(SNAPSHOT, "snapshot A\n");
    for revision in [0, 5_000, 900_000_000_000_000_000_u64] {
        host.file("/fakes/revision", &revision.to_string());
        host.forget_calls();
        let (what, before) = (revision.to_string(), clock());
        host.run(&stop(&what)).ok();
        host.run(&restore(&what, Some(&sha256("snapshot A\n")))).ok();
        host.run(&end()).ok();
        let calls = host.calls_of("etcdutl");
        let reached = revision + bump_of(calls.iter().find(|call| call.starts_with("snapshot restore")).unwrap());
        assert!(reached >= before.max(revision + 1_000_000_000), "{calls:#?}");
        // A few dozen restores of restored data must not use up all revisions there are.
        assert!(reached <= clock().max(revision + 1_000_000_000), "{calls:#?}");
    }
}

#[test]
fn each_restore_keeps_the_data_right_before_it_and_nests_nothing() {
    let host = Sandbox::control_plane();
    for (what, content) in [("A", "snapshot A\n"), ("B", "snapshot B\n"), ("A again", "snapshot A\n")] {
        let before = host.read("/var/lib/etcd/member/snap/db");
        host.file(SNAPSHOT, content);
        host.run(&stop(what)).ok();
        host.run(&restore(what, Some(&sha256(content)))).ok();
        host.run(&end()).ok();
        assert_eq!(host.read("/var/lib/etcd/member/snap/db"), Some(format!("restored from {content}")));
        assert_eq!(host.read("/var/lib/etcd/before-restore/snap/db"), before);
        let kept = ["snap/", "snap/db", "wal/"].map(|name| format!("before-restore/{name}"));
        let mut expected: Vec<String> =
            kept.iter().filter(|it| what != "A" || *it != "before-restore/wal/").cloned().collect();
        expected
            .extend(["before-restore/", "member/", "member/snap/", "member/snap/db", "member/wal/"].map(str::to_owned));
        expected.sort();
        assert_eq!(host.tree("/var/lib/etcd"), expected, "{what}");
    }
}

/// What the kubelet leaves running is ended in its place, and a pod counts as ended when its last cgroup is gone.
#[test]
fn a_component_has_ended_when_neither_its_container_nor_its_cgroup_is_left() {
    for (left, name, killed) in [
        ("/fakes/stays/kube-apiserver", "kube-apiserver", true),
        ("/sys/fs/cgroup/kubepods.slice/kubepods-poduid_etcd.slice/x", "etcd", false),
    ] {
        let host = Sandbox::control_plane();
        host.fast_clock().file(left, "");
        let printed = host.run(&stop("A")).ok();
        assert!(printed.contains(&format!("{name} has ended without the kubelet: ")), "{printed}");
        let calls = host.calls();
        let at = |line: &str| calls.iter().position(|call| call == line);
        let stopped = at("systemctl stop kubelet").unwrap();
        let kill = at(&format!("ctr --namespace k8s.io tasks kill --signal SIGTERM c-{name}"));
        assert_eq!(kill.is_some_and(|kill| kill > stopped), killed, "{calls:#?}");
        assert!(calls[stopped..].contains(&"systemctl start kubelet".to_owned()), "{calls:#?}");
        assert_eq!(calls.iter().filter(|call| *call == "systemctl stop kubelet").count(), 1, "{calls:#?}");
        assert_eq!(host.running(), Vec::<String>::new());
    }
}

#[test]
fn the_dead_containers_that_containerd_keeps_are_not_waited_for() {
    let host = Sandbox::control_plane();
    for name in COMPONENTS {
        host.file(&format!("/fakes/dead/{name}"), "");
    }
    host.fast_clock().run(&stop("A")).ok();
    assert_eq!(host.calls_of("systemctl"), ["start containerd", "start kubelet"]);
}

#[test]
fn what_is_held_aside_is_not_taken_away() {
    let host = Sandbox::control_plane();
    host.run(&stop("A")).ok();
    let complaint = host.run(&end()).fails();
    assert!(complaint.contains("/etc/kubernetes/kubeone-restore/held/etcd.yaml is still held aside"), "{complaint}");
    assert_eq!(host.tree("/etc/kubernetes/kubeone-restore/held").len(), 4);
}
