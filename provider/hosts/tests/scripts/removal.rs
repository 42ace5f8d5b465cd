//! What is taken off a host, and what must stay on it.

use std::fs;
use std::os::unix::fs::symlink;

use kubeone_hosts::Script;

use crate::sandbox::{Sandbox, script};

fn reset(joins_again: bool) -> Script {
    script("reset_node").var("JOINS_AGAIN", joins_again)
}

fn remove(keep_snapshots: bool) -> Script {
    let files = ["/etc/sysctl.d/99-kubeone.conf", "/etc/containerd/config.toml", "/etc/kubeone/cluster.json"];
    let remove = script("remove_configuration").lines("FILES", files).var("ORIGINALS", "");
    remove.var("CONTAINERD_REMOVED", true).var("CNI_REMOVED", true).var("KEEP_SNAPSHOTS", keep_snapshots)
}

/// A control plane with all that we and kubeadm ever leave on it.
fn lived_in() -> Sandbox {
    let host = Sandbox::leaving();
    for path in [
        "/etc/kubernetes/admin.conf",
        "/etc/kubernetes/super-admin.conf",
        "/etc/kubernetes/kubelet.conf.new",
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/etcd/ca.key",
        "/etc/kubernetes/pki/kubeone-new/ca.key",
        "/etc/kubernetes/tmp/kubeadm-backup/etcd.yaml",
        "/etc/kubernetes/kubeone-upgrade/old/etcd.yaml",
        "/etc/kubernetes/kubeone-restore/held/etcd.yaml",
        "/var/lib/etcd/before-restore/snap/db",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/var/lib/kubelet/config.yaml",
        "/var/backups/kubeone/prod-20260102T030405Z-r7-v1.35.4.db",
        "/var/backups/kubeone/.new.db",
        "/var/backups/kubeone/prod-20260102T030405Z-r7-v1.35.4.json",
        "/var/backups/kubeone/incoming/part.1",
        "/run/kubeone/config.abcdefgh",
        "/run/kubeone/discovery.conf",
        "/run/kubeone/kubeone-join.lock",
        "/etc/kubeone/cluster.json",
        "/etc/kubeone/originals/etc/containerd/config.toml",
        "/etc/kubeone/kubelet.conf.d/settings.conf.new",
        "/etc/kubeone/recorded/etcd.yaml",
        "/etc/kubeone/before/control_plane/manifests/etcd.yaml",
        "/etc/kubeone/before/host/etc/containerd/config.toml",
        "/etc/kubeone/staged/etc/kubernetes/encryption.yaml",
        "/etc/kubeone/.kubeone.abcdefgh",
        "/etc/sysctl.d/99-kubeone.conf",
        "/etc/sysctl.d/.kubeone.abcdefgh",
        "/etc/containerd/config.toml",
        "/opt/cni/bin/bridge",
        "/var/log/pods/x/0.log",
    ] {
        host.file(path, "secret");
    }
    host
}

#[test]
fn nothing_of_the_cluster_is_left_on_a_host_that_leaves() {
    let host = lived_in();
    let before = Sandbox::leaving().tree("/etc");
    host.run(&reset(false)).ok();
    host.run(&remove(false)).ok();
    let ours = |path: &String| path.starts_with("kube") || path.starts_with("containerd") || path.contains("kubeone");
    let left: Vec<_> = host.tree("/etc").into_iter().filter(ours).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(before.len() > left.len());
    for folder in
        ["/var/lib/etcd", "/var/lib/kubelet", "/var/backups/kubeone", "/run/kubeone", "/opt/cni", "/var/log/pods"]
    {
        assert!(!host.exists(folder), "{folder}: {:?}", host.tree(folder));
    }
    // And once more, on a host that is bare by now.
    host.run(&reset(false)).ok();
    host.run(&remove(false)).ok();
}

#[test]
fn snapshots_stay_where_that_is_wanted_and_so_does_what_others_put_beside_them() {
    for (keep, expected) in [
        (true, &["mine.txt", "prod-20260102T030405Z-r7-v1.35.4.db", "prod-20260102T030405Z-r7-v1.35.4.json"][..]),
        (false, &["mine.txt"]),
    ] {
        let host = lived_in();
        host.file("/var/backups/kubeone/mine.txt", "");
        fs::remove_file(host.path("/var/backups/kubeone/.new.db")).unwrap();
        host.run(&reset(false)).ok();
        host.run(&remove(keep)).ok();
        assert_eq!(host.tree("/var/backups/kubeone"), expected);
    }
}

#[test]
fn the_marker_goes_last_and_only_when_the_disk_has_forgotten_the_rest() {
    let host = lived_in();
    host.watch("rm").watch("sync");
    host.run(&reset(false)).ok();
    host.forget_calls();
    host.run(&remove(false)).ok();
    let calls = host.calls();
    let marker =
        calls.iter().position(|call| call.starts_with("rm ") && call.contains("/etc/kubeone/cluster.json")).unwrap();
    assert!(
        calls[marker + 1..].iter().all(|call| !call.starts_with("rm ") || call.contains(" /run/kubeone")),
        "{calls:#?}"
    );
    assert!(calls[marker - 1].starts_with("sync --file-system "), "{calls:#?}");
}

#[test]
fn a_node_that_joins_again_keeps_what_others_put_beside_kubeadms_files() {
    let host = lived_in();
    host.file("/etc/kubernetes/manifests/kube-vip.yaml", "vip").file("/etc/kubernetes/secrets.yaml", "aescbc");
    host.file("/etc/kubernetes/pki/own.crt", "own");
    host.run(&reset(true)).ok();
    let left = ["manifests/", "manifests/kube-vip.yaml", "pki/", "pki/etcd/", "pki/own.crt", "secrets.yaml"];
    assert_eq!(host.tree("/etc/kubernetes"), left);
    assert!(!host.exists("/var/lib/etcd") && !host.exists("/run/kubeone/config.abcdefgh"));
    assert!(!host.exists("/run/kubeone/discovery.conf"), "it holds a token");
    // Its old manifests would not fit the control plane that it becomes; what containerd had before still counts.
    assert_eq!(host.tree("/etc/kubeone/before").first().map(String::as_str), Some("host/"));
}

#[test]
fn what_is_mounted_below_is_unmounted_and_not_emptied() {
    let host = lived_in();
    let volume = host.volume("/var/lib/kubelet/pods/a b/volumes/data");
    fs::write(volume.join("database"), "precious").unwrap();
    let inner = host.volume("/var/lib/kubelet/pods/a b/volumes/data/inner");
    fs::write(inner.join("more"), "precious").unwrap();
    host.run(&reset(false)).ok();
    assert!(volume.join("database").exists() && inner.join("more").exists());
    assert!(!host.exists("/var/lib/kubelet"));
}

#[test]
fn a_volume_that_cannot_be_unmounted_stops_the_reset_and_is_named() {
    for joins_again in [true, false] {
        let host = lived_in();
        let volume = host.volume("/var/lib/kubelet/pods/x/volumes/data");
        fs::write(volume.join("database"), "precious").unwrap();
        host.fake("umount", "echo 'umount: target is busy' >&2; exit 32");
        let complaint = host.run(&reset(joins_again)).fails();
        assert!(
            complaint.contains("/var/lib/kubelet/pods/x/volumes/data is mounted and cannot be unmounted"),
            "{complaint}"
        );
        assert!(volume.join("database").exists());
        // It still is a node, whoever looks.
        assert!(host.exists("/etc/kubernetes/admin.conf") && host.exists("/var/lib/etcd/member"));
    }
}

#[test]
fn containerds_mounts_stop_the_removal_in_the_same_way() {
    let host = lived_in();
    host.run(&reset(false)).ok();
    let volume = host.volume("/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs");
    fs::write(volume.join("file"), "precious").unwrap();
    host.fake("umount", "exit 32");
    let complaint = host.run(&remove(false)).fails();
    assert!(
        complaint.contains("/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs is mounted"),
        "{complaint}"
    );
    assert!(volume.join("file").exists() && host.exists("/etc/kubeone/cluster.json"));
}

#[test]
fn file_systems_of_their_own_stay_and_get_empty() {
    let host = lived_in();
    let (etcd, kubelet) = (host.volume("/var/lib/etcd"), host.volume("/var/lib/kubelet"));
    for (volume, name) in [(&etcd, "member"), (&kubelet, "pki")] {
        fs::create_dir_all(volume.join(name)).unwrap();
        fs::create_dir_all(volume.join("lost+found")).unwrap();
        fs::write(volume.join(name).join("secret"), "").unwrap();
    }
    host.run(&reset(false)).ok();
    for volume in [etcd, kubelet] {
        let left: Vec<_> = fs::read_dir(volume).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lost+found"]);
    }
}

#[test]
fn folders_behind_links_stay_and_get_empty() {
    let host = lived_in();
    for name in ["etcd", "kubelet"] {
        fs::remove_dir_all(host.path("/var/lib").join(name)).unwrap();
        host.file(&format!("/srv/disk/{name}/secret"), "secret");
        symlink(format!("/srv/disk/{name}"), host.path("/var/lib").join(name)).unwrap();
    }
    let volume = host.volume("/srv/disk/kubelet/pods/x");
    fs::write(volume.join("database"), "precious").unwrap();
    symlink("/srv/nothing", host.path("/var/lib/calico")).unwrap();
    host.run(&reset(false)).ok();
    assert_eq!(host.tree("/srv/disk"), ["etcd/", "kubelet/"]);
    assert!(host.exists("/var/lib/etcd") && host.exists("/var/lib/kubelet") && host.exists("/var/lib/calico"));
    assert!(volume.join("database").exists());
}

#[test]
fn a_link_to_a_folder_of_the_system_is_refused() {
    for target in ["/", "/srv", "/var", "/etc/"] {
        let host = lived_in();
        fs::remove_dir_all(host.path("/var/lib/etcd")).unwrap();
        symlink(target, host.path("/var/lib/etcd")).unwrap();
        host.file("/srv/mine", "mine");
        let complaint = host.run(&reset(false)).fails();
        assert!(complaint.contains("/var/lib/etcd leads to /"), "{target}: {complaint}");
        assert!(host.exists("/srv/mine") && host.exists("/etc/passwd"));
    }
}
