//! Managed files that come from the staging tree, and what was there before.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use kubeone_hosts::Script;

use crate::power_cut::{assert_stays_away, assert_survives};
use crate::sandbox::{CUT_OFF, Sandbox};

const BEFORE: &str = "/etc/kubeone/before/test";

/// Lines that use the functions.
fn lines(body: &str) -> Script {
    Script::new("test", body)
        .functions(include_str!("../../os/linux/functions/durable.sh"))
        .functions(include_str!("../../os/linux/functions/staged_files.sh"))
        .var("BEFORE", BEFORE)
}

/// Stages a file, as the engine does.
pub(crate) fn stage(host: &Sandbox, path: &str, content: &str, mode: u32) {
    let staged = format!("/etc/kubeone/staged{path}");
    host.file(&staged, content);
    set_mode(host, &staged, mode);
}

fn set_mode(host: &Sandbox, path: &str, mode: u32) {
    fs::set_permissions(host.path(path), fs::Permissions::from_mode(mode)).unwrap();
}

const SECRET: &str = "/etc/kubernetes/encryption/config.yaml";
const UNIT: &str = "/etc/systemd/system/containerd.service.d/50-kubeone.conf";
const PUT: &str =
    "put_staged /etc/kubernetes/encryption/config.yaml /etc/systemd/system/containerd.service.d/50-kubeone.conf";

/// A secret that replaces another one, and a file where none was.
fn staged() -> Sandbox {
    let host = Sandbox::new();
    host.file(SECRET, "old");
    set_mode(&host, SECRET, 0o660);
    stage(&host, SECRET, "new", 0o600);
    stage(&host, UNIT, "[Service]", 0o644);
    host
}

#[test]
fn staged_files_take_the_place_of_those_before_which_are_kept() {
    let host = staged();
    host.watch("sync").watch("mv");
    host.run(&lines(PUT)).ok();
    assert_eq!((host.read(SECRET).as_deref(), host.mode(SECRET)), (Some("new"), "600".to_owned()));
    assert_eq!((host.read(UNIT).as_deref(), host.mode(UNIT)), (Some("[Service]"), "644".to_owned()));
    let calls = host.calls();
    for path in [SECRET, UNIT, &format!("{BEFORE}{SECRET}")] {
        assert_survives(&calls, path);
    }
    // What is kept is on the disk before the first file is replaced.
    let replaced = calls.iter().position(|call| call.ends_with(&format!(" {SECRET}"))).unwrap();
    for path in [format!("{BEFORE}{SECRET}"), format!("{BEFORE}/absent{UNIT}"), "/etc/kubeone/before".to_owned()] {
        let is_sync = |call: &String| call.starts_with("sync ") && call.split(' ').any(|word| word == path);
        assert!(calls[..replaced].iter().any(is_sync), "{path}: {calls:#?}");
    }
    // A folder that is new must not be lost with what is in it.
    assert!(calls.contains(&"sync -- /etc/systemd/system".to_owned()), "{calls:#?}");
    assert_eq!((host.mode("/etc/kubeone/before"), host.mode(BEFORE)), ("700".to_owned(), "700".to_owned()));
    assert_eq!(host.mode("/etc/systemd/system"), "755");

    // What is as it should be is not touched.
    host.forget_calls();
    host.run(&lines(&format!("forget_before; {PUT}"))).ok();
    assert!(host.calls_of("mv").iter().all(|call| call.contains(".forgotten")), "{:#?}", host.calls());
    assert!(!host.exists("/etc/kubeone/before/test") && !host.exists("/etc/kubeone/before/.forgotten"));
}

#[test]
fn folders_below_etc_kubernetes_are_roots_own() {
    let host = Sandbox::new();
    stage(&host, "/etc/kubernetes/audit/deep/policy.yaml", "x", 0o644);
    host.run(&lines("put_staged /etc/kubernetes/audit/deep/policy.yaml")).ok();
    let modes = ["", "/audit", "/audit/deep"].map(|folder| host.mode(&format!("/etc/kubernetes{folder}")));
    assert_eq!(modes, ["755", "700", "700"]);
}

#[test]
fn files_differ_in_content_mode_owner_or_kind() {
    let host = staged();
    let differs = |host: &Sandbox| {
        host.run(&lines(&format!("if stage_differs {SECRET}; then echo yes; else echo no; fi"))).ok() == "yes\n"
    };
    assert!(differs(&host));
    host.run(&lines(PUT)).ok();
    assert!(!differs(&host));
    set_mode(&host, SECRET, 0o644);
    assert!(differs(&host), "others can read it");
    fs::remove_file(host.path(SECRET)).unwrap();
    assert!(differs(&host), "it is gone");
    symlink(format!("/etc/kubeone/staged{SECRET}"), host.path(SECRET)).unwrap();
    assert!(differs(&host), "it is a link");
    host.run(&lines(PUT)).ok();
    assert!(!differs(&host) && !host.path(SECRET).is_symlink());
    host.fake("stat", "if [[ $* == *%u:%g*etc/kubernetes* ]]; then echo '600 5:0'; else exec /usr/bin/stat \"$@\"; fi");
    assert!(differs(&host), "another user owns it");
}

#[test]
fn what_was_before_comes_back_and_what_was_absent_goes() {
    let host = staged();
    host.file("/etc/apt/unwanted", "u").file("/etc/kubeone/staged/etc/apt/unwanted", "secret");
    host.run(&lines(&format!("{PUT}; remove_managed /etc/apt/unwanted /etc/apt/absent"))).ok();
    assert!(!host.exists("/etc/apt/unwanted") && !host.exists("/etc/kubeone/staged/etc/apt/unwanted"));
    host.watch("sync").watch("mv").watch("rm");
    host.run(&lines("take_back_files")).ok();
    assert_eq!((host.read(SECRET).as_deref(), host.mode(SECRET)), (Some("old"), "660".to_owned()));
    assert_eq!(host.read("/etc/apt/unwanted").as_deref(), Some("u"));
    assert!(!host.exists(UNIT) && !host.exists("/etc/apt/absent") && host.exists(BEFORE));
    assert_survives(&host.calls(), SECRET);
    assert_stays_away(&host.calls(), UNIT);
    assert_eq!(host.tree("/etc/kubernetes"), ["encryption/", "encryption/config.yaml"]);
    // Once more is the same.
    host.run(&lines("take_back_files; forget_before; take_back_files")).ok();
    assert_eq!(host.read(SECRET).as_deref(), Some("old"));
    assert!(!host.exists(BEFORE));
}

#[test]
fn the_oldest_files_are_kept_until_they_are_forgotten() {
    let host = staged();
    host.run(&lines(PUT)).ok();
    stage(&host, SECRET, "newer", 0o600);
    stage(&host, UNIT, "newer", 0o644);
    host.run(&lines(PUT)).ok();
    assert_eq!(host.read(&format!("{BEFORE}{SECRET}")).as_deref(), Some("old"));
    host.run(&lines("take_back_files")).ok();
    assert_eq!(host.read(SECRET).as_deref(), Some("old"));
    assert!(!host.exists(UNIT), "it was absent at first");
    host.run(&lines(&format!("forget_before; {PUT}; remove_managed {SECRET}"))).ok();
    assert_eq!(host.read(&format!("{BEFORE}{SECRET}")).as_deref(), Some("old"));
}

#[test]
fn what_is_cut_off_anywhere_is_old_or_new_and_comes_back() {
    for command in (1..1000).step_by(11) {
        let host = staged();
        host.file("/etc/apt/unwanted", "u").cut_off_at(command);
        let change = format!("{PUT}; remove_managed /etc/apt/unwanted");
        let run = host.run(&lines(&change));
        let content = host.read(SECRET).unwrap();
        assert!(["old", "new"].contains(&content.as_str()), "{command}: {content}");
        assert!([None, Some("[Service]")].contains(&host.read(UNIT).as_deref()), "{command}");
        host.cut_off_at(command).run(&lines("take_back_files"));
        host.run(&lines("take_back_files")).ok();
        assert_eq!(host.read(SECRET).as_deref(), Some("old"), "{command}");
        assert_eq!((host.mode(SECRET), host.exists(UNIT)), ("660".to_owned(), false), "{command}");
        assert_eq!(host.read("/etc/apt/unwanted").as_deref(), Some("u"), "{command}");
        host.cut_off_at(command).run(&lines("forget_before"));
        host.run(&lines(&format!("{change}; forget_before"))).ok();
        assert_eq!((host.read(SECRET).as_deref(), host.exists("/etc/apt/unwanted")), (Some("new"), false), "{command}");
        assert_eq!(host.tree("/etc/kubeone/before"), Vec::<String>::new(), "{command}");
        if run.code != Some(CUT_OFF) {
            run.ok();
            assert!(command > 50, "{command} commands are few");
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn other_paths_are_refused_before_anything_is_written() {
    let host = staged();
    host.file("/etc/apt/plain", "x");
    symlink("/tmp", host.path("/etc/kubernetes/elsewhere")).unwrap();
    fs::create_dir_all(host.path("/etc/kubernetes/folder")).unwrap();
    for (path, complaint) in [
        ("etc/kubernetes/x", "is not the path of a managed file"),
        ("/etc/passwd", "is not the path of a managed file"),
        ("/var/lib/kubelet/config.yaml", "is not the path of a managed file"),
        ("/etc/kubernetes-other/x", "is not the path of a managed file"),
        ("/etc/kubernetes/../passwd", "is not the path of a managed file"),
        ("/etc/kubernetes/./x", "is not the path of a managed file"),
        ("/etc/kubernetes//x", "is not the path of a managed file"),
        ("/etc/kubernetes/x/..", "is not the path of a managed file"),
        ("/etc/kubernetes/x/", "is not the path of a managed file"),
        ("$'/etc/kubernetes/a\\nb'", "is not the path of a managed file"),
        ("/etc/kubernetes/manifests/x.yaml", "is not the path of a managed file"),
        ("/etc/kubeone/before/x", "is not the path of a managed file"),
        ("/etc/kubernetes/elsewhere/x", "/etc/kubernetes/elsewhere is a link, and nothing is written through it"),
        ("/etc/kubernetes/folder", "/etc/kubernetes/folder is there, and no file"),
    ] {
        let staged = path.trim_start_matches("$'").trim_end_matches(['\'', '/']).replace("\\n", "\n");
        if !staged.ends_with("..") && !staged.ends_with("elsewhere/x") {
            stage(&host, &format!("/{}", staged.trim_start_matches('/')), "x", 0o644);
        }
        for verb in ["put_staged", "remove_managed"] {
            let refused = host.run(&lines(&format!("{verb} {SECRET} {path}"))).fails();
            assert!(refused.contains(complaint), "{verb} {path}: {refused}");
            assert_eq!(host.read(SECRET).as_deref(), Some("old"), "{verb} {path}");
        }
        stage(&host, SECRET, "new", 0o600);
    }
    assert!(!host.exists("/etc/kubeone/before"));
    let refused = host.run(&lines(&format!("put_staged {UNIT} /etc/apt/plain"))).fails();
    assert!(refused.contains("/etc/apt/plain has no new content in /etc/kubeone/staged"), "{refused}");
    assert!(!host.exists(UNIT));
}
