//! The lock that keeps two applies apart, and who cannot get in its way.

use std::os::unix::fs::symlink;

use kubeone_hosts::Script;

use crate::sandbox::{Sandbox, script};

fn lock(action: &str, holder: &str) -> Script {
    let lock = script("lock").var("ACTION", action).var("HOLDER", holder).var("PROCESS", "p").var("WHO", "w");
    lock.var("DEAD", "").var("LIFETIME", 60).var("CLUSTER", "prod").var("UID_KNOWN", "1-2-3")
}

#[test]
fn nobody_but_root_can_keep_it_from_us() {
    let host = Sandbox::new();
    host.fake("systemctl", "exit 3");
    // What any user can do: keep a folder locked that all may open.
    host.watch("flock").file("/run/kubeone/x", "");
    let holds = "chmod 700 /run/kubeone; exec 5</run; flock 5;";
    let script = lock("take", "ann");
    let held = Script::new(script.name(), format!("{holds}\n{}", script.body()))
        .functions(include_str!("../../os/linux/functions/in_memory.sh"));
    let held = script.variables().iter().fold(held, |held, (name, _)| held.var(name, script.value(name).unwrap()));
    assert_eq!(host.run(&held).ok(), "taken\n");
    assert_eq!((host.mode("/run/kubeone"), host.mode("/run/kubeone.lock")), ("700".to_owned(), "600".to_owned()));
    let guarded = host.calls_of("flock");
    assert!(guarded[0] == "5" && guarded[1].starts_with("--wait 20 "), "{guarded:#?}");
}

#[test]
fn it_is_taken_renewed_and_given_back_without_a_trace() {
    let host = Sandbox::new();
    host.fake("systemctl", "exit 3");
    assert_eq!(host.run(&lock("take", "ann")).ok(), "taken\n");
    assert_eq!(host.run(&lock("take", "ann")).ok(), "taken\n");
    let held = host.run(&lock("take", "bob")).ok();
    assert!(held.starts_with("held\nann\np\nw\n") && held.lines().count() == 6, "{held}");
    assert_eq!(host.run(&lock("release", "bob")).ok(), "");
    assert!(host.exists("/run/kubeone.lock"));
    assert_eq!(host.run(&lock("take", "bob").var("DEAD", "ann")).ok(), "taken\n");
    // The last line is when it was renewed; a lock that is silent for as long as it lives is void, and not a second before.
    let renewed = |ago: i64| {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let now: i64 = uptime.split('.').next().unwrap().parse().unwrap();
        host.file("/run/kubeone.lock", &format!("bob\np\nw\n0\n{}\n", now - ago));
    };
    renewed(50);
    assert!(host.run(&lock("take", "cid")).ok().starts_with("held\nbob\n"));
    renewed(60);
    assert_eq!(host.run(&lock("take", "cid")).ok(), "taken\n");
    assert_eq!(host.run(&lock("release", "cid")).ok(), "");
    assert_eq!(host.tree("/run"), Vec::<String>::new());
    // Where long steps keep something there, it stays.
    host.file("/run/kubeone/kubeone-join.lock", "");
    host.run(&lock("take", "ann")).ok();
    host.run(&lock("release", "ann")).ok();
    assert_eq!(host.tree("/run"), ["kubeone/", "kubeone/kubeone-join.lock"]);
}

#[test]
fn hosts_of_others_are_left_as_they_are() {
    let marker = |cluster: &str, uid: &str| format!("{{\n  \"cluster\": \"{cluster}\",\n  \"uid\": \"{uid}\"\n}}\n");
    for (path, content, active, answer) in [
        ("/etc/kubeone/cluster.json", marker("prod-2", "1-2-3"), false, "foreign\n"),
        ("/etc/kubeone/cluster.json", marker("prod", "9-9-9"), false, "foreign\n"),
        ("/etc/kubeone/cluster.json", marker("prod", "1-2-3"), true, "taken\n"),
        ("/etc/kubernetes/kubelet.conf", String::new(), false, "foreign\n"),
        ("/etc/kubernetes/manifests/x.yaml", String::new(), false, "foreign\n"),
        ("/var/lib/etcd/member/x", String::new(), false, "foreign\n"),
        ("/etc/hostname", String::new(), true, "foreign\n"),
        ("/etc/hostname", String::new(), false, "taken\n"),
    ] {
        let host = Sandbox::new();
        host.file(path, &content).fake("systemctl", if active { "" } else { "exit 3" });
        assert_eq!(host.run(&lock("take", "ann")).ok(), answer, "{path} {content}");
        assert_eq!(host.tree("/run").is_empty(), answer == "foreign\n", "{path} {content}");
    }
}

#[test]
fn a_link_in_its_place_is_refused() {
    let host = Sandbox::new();
    host.fake("systemctl", "exit 3").file("/tmp/trap/x", "");
    symlink("/tmp/trap", host.path("/run/kubeone")).unwrap();
    let complaint = host.run(&lock("take", "ann")).fails();
    assert!(complaint.contains("/run/kubeone is a link, or not owned by root"), "{complaint}");
    assert!(!host.exists("/run/kubeone.lock"));
}

#[test]
fn a_guard_that_went_while_it_was_awaited_keeps_nobody_out() {
    let host = Sandbox::new();
    host.fake("systemctl", "exit 3");
    // The cluster is taken off this host at the very moment.
    host.fake(
        "flock",
        "if [[ ! -e /fakes/once ]]; then touch /fakes/once; rmdir /run/kubeone; fi; exec /usr/bin/flock \"$@\"",
    );
    assert_eq!(host.run(&lock("take", "ann")).ok(), "taken\n");
    assert_eq!(host.calls_of("flock").len(), 2);
    assert!(host.exists("/run/kubeone") && host.exists("/run/kubeone.lock"));
}
