//! What a power cut may take: the order in which files reach the disk and get their names.

use kubeone_hosts::{Host as _, RemoteFile};

use crate::sandbox::{Sandbox, script};

/// Ends the test unless the file got its name after its content was on the disk, and its name reached the disk, too.
#[track_caller]
pub(crate) fn assert_survives(calls: &[String], file: &str) {
    let folder = file.rsplit_once('/').unwrap().0;
    let renames =
        calls.iter().enumerate().filter(|(_, call)| call.starts_with("mv ") && call.ends_with(&format!(" {file}")));
    let mut is_there = false;
    for (at, call) in renames {
        is_there = true;
        let new = call.split(' ').rev().nth(1).unwrap();
        let syncs = |calls: &[String], path: &str| {
            calls.iter().any(|call| {
                let is_sync = call.starts_with("sync ") && !call.contains("--file-system");
                is_sync && call.split(' ').any(|word| word.trim_end_matches('/') == path)
            })
        };
        assert!(syncs(&calls[..at], new), "{new} is not synced before it becomes {file}: {calls:#?}");
        assert!(syncs(&calls[at..], folder), "{folder} is not synced after {file}: {calls:#?}");
    }
    assert!(is_there, "{file} is not renamed: {calls:#?}");
}

/// The same for a file that is removed.
#[track_caller]
pub(crate) fn assert_stays_away(calls: &[String], file: &str) {
    let folder = file.rsplit_once('/').unwrap().0;
    let removed = calls.iter().position(|call| call.starts_with("rm ") && call.ends_with(&format!(" {file}")));
    let at = removed.unwrap_or_else(|| panic!("{file} is not removed: {calls:#?}"));
    assert!(calls[at..].contains(&format!("sync -- {folder}")), "{folder} is not synced: {calls:#?}");
}

fn watched(sandbox: Sandbox) -> Sandbox {
    sandbox.watch("sync").watch("mv").watch("rm");
    sandbox
}

#[tokio::test]
async fn written_files_are_on_the_disk_before_they_count() {
    let host = watched(Sandbox::new());
    let files = [
        RemoteFile::public("/etc/kubeone/new/deep/a.conf", "a"),
        RemoteFile::private("/etc/kubeone/cluster.json", "{}"),
        RemoteFile::private("/etc/b.conf", "b"),
    ];
    assert_eq!(host.write_all(&files).await.unwrap(), [true, true, true]);
    let calls = host.calls();
    for file in &files {
        assert_survives(&calls, file.path.to_str().unwrap());
    }
    let first_rename = calls.iter().position(|call| call.starts_with("mv ")).unwrap();
    assert_eq!(calls[..first_rename].iter().filter(|call| call.starts_with("sync ")).count(), 1, "{calls:#?}");
    // The folder that is new must not be lost with what is in it.
    let last = calls.iter().rfind(|call| call.starts_with("sync ")).unwrap();
    assert_eq!(last, "sync -- /etc/ /etc/kubeone/ /etc/kubeone/new/ /etc/kubeone/new/deep/");
    assert_eq!(host.mode("/etc/kubeone/cluster.json"), "600");

    host.forget_calls();
    assert_eq!(host.write_all(&files).await.unwrap(), [false, false, false]);
    assert_eq!(host.calls_of("sync"), Vec::<String>::new());
}

#[tokio::test]
async fn one_file_that_cannot_be_written_leaves_all_as_they_were() {
    let host = Sandbox::new();
    host.file("/etc/a.conf", "old").file("/etc/plain", "");
    let files = [RemoteFile::public("/etc/a.conf", "new"), RemoteFile::public("/etc/plain/b.conf", "b")];
    host.write_all(&files).await.unwrap_err();
    assert_eq!(host.read("/etc/a.conf").as_deref(), Some("old"));
    assert_eq!(host.tree("/etc"), ["a.conf", "group", "passwd", "plain"]);
}

#[test]
fn the_record_of_kubeadms_files_comes_after_them() {
    let host = watched(Sandbox::control_plane());
    host.file("/etc/kubernetes/pki/ca.crt", "ca").file("/etc/kubernetes/kubelet.conf", "k");
    host.file("/var/lib/kubelet/config.yaml", "c").file("/var/lib/kubelet/pki/kubelet-client-current.pem", "p");
    host.run(&script("record_files")).ok();
    let calls = host.calls();
    assert_survives(&calls, "/etc/kubeone/recorded/files.sha256");
    assert_stays_away(&calls, "/etc/kubeone/recorded/files.sha256");
    let listed = calls
        .iter()
        .position(|call| call.ends_with(" /etc/kubeone/recorded/files.sha256") && call.starts_with("mv"))
        .unwrap();
    for file in [
        "/etc/kubernetes/pki/ca.crt",
        "/etc/kubernetes/kubelet.conf",
        "/etc/kubernetes/manifests/etcd.yaml",
        "/etc/kubernetes/manifests",
        "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/etc/kubeone/recorded/etcd.yaml",
        "/etc/kubeone/recorded",
    ] {
        let synced =
            calls[..listed].iter().any(|call| call.starts_with("sync ") && call.split(' ').any(|word| word == file));
        assert!(synced, "{file} is not on the disk when it is recorded: {calls:#?}");
    }
}

#[test]
fn kubelet_settings_the_note_of_a_renewal_and_what_is_restored_survive() {
    let host = watched(Sandbox::control_plane());
    host.fake("systemctl", "").fake("kubeadm", "");
    let settings = script("configure_kubelet").var("PART", "write").var("SETTINGS", "kind: KubeletConfiguration");
    host.run(&settings.var("SERVICE", "[Service]").var("INVOCATION", "")).ok();
    assert_survives(&host.calls(), "/etc/kubeone/kubelet.conf.d/settings.conf");
    assert_survives(&host.calls(), "/etc/systemd/system/kubelet.service.d/20-kubeone.conf");

    host.forget_calls();
    let renew = script("renew_certificates").lines("CERTIFICATES", ["etcd-peer"]).var("CONFIG", "c");
    host.file("/etc/kubernetes/pki/etcd/peer.crt", "new");
    host.run(&renew.var("NEW_NAMES", false).var("NEW_CERTIFICATES", "").var("NAMED_CONFIG", "")).ok();
    let calls = host.calls();
    assert_survives(&calls, "/etc/kubeone/renewal");
    assert!(calls.iter().any(|call| call.starts_with("sync ") && call.contains(" /etc/kubernetes/pki/etcd/peer.crt")));

    host.run(&script("record_files")).ok();
    let manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml";
    let recorded = host.read(manifest);
    host.file(manifest, "edited").forget_calls();
    host.run(&script("restore_files").lines("FILES", [manifest])).ok();
    assert_survives(&host.calls(), manifest);
    assert_eq!(host.read(manifest), recorded);
}

#[test]
fn the_mark_of_a_restore_and_the_note_of_what_is_restored_survive() {
    let host = watched(Sandbox::control_plane());
    host.run(&script("stop_control_plane").var("WHAT", "A")).ok();
    assert_survives(&host.calls(), "/etc/kubernetes/kubeone-restore/what");
    assert_stays_away(&host.calls(), "/etc/kubeone/recorded/files.sha256");
    host.forget_calls();
    let restore = script("restore_etcd").var("WHAT", "A").var("SNAPSHOT", "").var("SHA256", "").var("API_PORT", 6443);
    host.run(&restore).ok();
    assert_survives(&host.calls(), "/etc/kubernetes/kubeone-restore/replaced");
}

#[test]
fn fstab_keeps_its_mode_and_is_never_half() {
    let host = watched(Sandbox::new());
    host.fake("modprobe", "").fake("sysctl", "").fake("swapoff", "");
    host.file("/etc/modules-load.d/kubeone.conf", "overlay\nbr_netfilter\n");
    host.file(
        "/etc/fstab",
        "/dev/a / ext4 defaults 0 1\n/dev/b none swap sw 0 0\n# /dev/c none swap sw 0 0\n#/dev/d none swap sw 0 0\n",
    );
    host.run(&script("configure_kernel")).ok();
    assert_survives(&host.calls(), "/etc/fstab");
    assert_eq!(host.calls_of("modprobe"), ["-- overlay", "-- br_netfilter"]);
    let expected = "/dev/a / ext4 defaults 0 1\n#kubeone# /dev/b none swap sw 0 0\n# /dev/c none swap sw 0 0\n\
                    #/dev/d none swap sw 0 0\n";
    assert_eq!(host.read("/etc/fstab").as_deref(), Some(expected));
    // What is a comment already stays one, the first and the second time.
    host.run(&script("configure_kernel")).ok();
    assert_eq!(host.read("/etc/fstab").as_deref(), Some(expected));
    assert_eq!(host.mode("/etc/fstab"), "644");
    assert_eq!(host.tree("/etc"), ["fstab", "group", "modules-load.d/", "modules-load.d/kubeone.conf", "passwd"]);
}

#[test]
fn a_new_kubelet_certificate_survives() {
    let host = watched(Sandbox::new());
    host.file("/etc/kubernetes/kubelet.conf", "old");
    let kubeconfig = "users:\n- user:\n    client-certificate-data: Q0VSVAo=\n    client-key-data: S0VZCg==";
    host.run(&script("write_kubelet_kubeconfig").var("KUBECONFIG", kubeconfig)).ok();
    assert_survives(&host.calls(), "/etc/kubernetes/kubelet.conf");
    assert_survives(&host.calls(), "/var/lib/kubelet/pki/kubelet-client-kubeone.pem");
    assert_eq!(host.read("/var/lib/kubelet/pki/kubelet-client-kubeone.pem").as_deref(), Some("CERT\nKEY\n"));
    assert_eq!(host.mode("/var/lib/kubelet/pki/kubelet-client-kubeone.pem"), "600");
    let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    assert_eq!(
        host.path(current).read_link().unwrap().to_str(),
        Some("/var/lib/kubelet/pki/kubelet-client-kubeone.pem")
    );
    let written = host.read("/etc/kubernetes/kubelet.conf").unwrap();
    assert_eq!(written, format!("users:\n- user:\n    client-certificate: {current}\n    client-key: {current}\n"));
    assert_eq!(host.mode("/etc/kubernetes/kubelet.conf"), "600");
}
