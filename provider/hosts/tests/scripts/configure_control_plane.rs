//! New settings of a control plane that runs.

use kubeone_hosts::Script;

use crate::control_plane::COMPONENTS;
use crate::sandbox::{CUT_OFF, Run, Sandbox, script};
use crate::staged_files::stage;
use crate::upgrade::running;

const MANIFESTS: &str = "/etc/kubernetes/manifests";
const POLICY: &str = "/etc/kubernetes/audit/policy.yaml";
const GONE: &str = "/etc/kubernetes/audit/old.yaml";
const RECORD: &str = "/etc/kubeone/recorded/files.sha256";
const BEFORE: &str = "/etc/kubeone/before/control_plane";

/// kubeadm, which writes manifests with the arguments that the file /fakes/arguments/NAME adds.
const KUBEADM: &str = r#"
case $* in
  'init phase control-plane all --dry-run --config '*) components=(kube-apiserver kube-controller-manager kube-scheduler) ;;
  'init phase etcd local --dry-run --config '*) components=(etcd) ;;
  *) unexpected ;;
esac
[[ $(cat "${*: -1}") == config ]] || exit 1
for name in "${components[@]}"; do cat "/fakes/manifests/$name.yaml" "/fakes/arguments/$name" 2>/dev/null >"$KUBEADM_INIT_DRYRUN_DIR/$name.yaml"; done
exit 0
"#;

/// A control plane that gets another argument for its API server, with a file it names, and loses a file.
fn settings() -> Sandbox {
    let host = running();
    host.fake("kubeadm", KUBEADM).watch("mv");
    host.file(POLICY, "old policy").file(GONE, "unwanted").file("/fakes/arguments/kube-apiserver", "- --new\n");
    stage(&host, POLICY, "new policy", 0o600);
    host
}

fn configure(restart: &[&str]) -> Script {
    let configure = script("configure_control_plane").var("CONFIG", "config").var("API_PORT", 6443);
    configure.lines("FILES", [POLICY]).lines("REMOVE", [GONE]).lines("RESTART", restart)
}

fn restarted(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| line.strip_prefix("restarted ")).collect()
}

/// Where an exchange took manifests from the kubelet: their names, in order.
fn ended(host: &Sandbox) -> Vec<String> {
    let moved = |call: String| {
        let name = call.strip_suffix(" /etc/kubernetes/kubeone-upgrade/held/")?.strip_prefix(MANIFESTS)?.to_owned();
        Some(name.trim_start_matches('/').trim_end_matches(".yaml").to_owned())
    };
    host.calls_of("mv").into_iter().filter_map(moved).collect()
}

#[track_caller]
fn assert_settled(host: &Sandbox) {
    assert_eq!(host.running(), COMPONENTS);
    for path in [
        BEFORE,
        "/etc/kubernetes/kubeone-upgrade/held",
        "/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf",
    ] {
        assert!(!host.exists(path), "{path}");
    }
}

/// Whether the new settings are well, and nothing would go back to those before.
fn is_done(host: &Sandbox) -> bool {
    let manifest = host.read(&format!("{MANIFESTS}/kube-apiserver.yaml")).unwrap_or_default();
    manifest.ends_with("- --new\n") && !host.exists(&format!("{BEFORE}/components"))
}

#[track_caller]
fn assert_new(host: &Sandbox) {
    assert_settled(host);
    assert!(host.read(&format!("{MANIFESTS}/kube-apiserver.yaml")).unwrap().ends_with("- --new\n"));
    assert_eq!((host.read(POLICY).as_deref(), host.exists(GONE)), (Some("new policy"), false));
}

#[track_caller]
fn assert_old(host: &Sandbox) {
    assert_settled(host);
    for name in COMPONENTS {
        assert_eq!(host.read(&format!("{MANIFESTS}/{name}.yaml")), host.read(&format!("/fakes/manifests/{name}.yaml")));
    }
    assert_eq!((host.read(POLICY).as_deref(), host.read(GONE).as_deref()), (Some("old policy"), Some("unwanted")));
}

#[test]
fn only_what_changes_is_exchanged_and_unwanted_files_go_last() {
    let host = settings();
    let printed = host.run(&configure(&[])).ok();
    assert_eq!((restarted(&printed), ended(&host)), (vec!["kube-apiserver"], vec!["kube-apiserver".to_owned()]));
    assert_new(&host);
    assert!(!host.exists(RECORD), "kubeadm's files are others");
    for path in ["new", "config.yaml"] {
        assert!(!host.exists(&format!("/etc/kubernetes/kubeone-upgrade/{path}")), "{path}");
    }
    let calls = host.calls();
    assert!(!calls.iter().any(|call| call.contains("certs renew")), "{calls:#?}");
    let at = |what: &str| calls.iter().position(|call| call.contains(what)).unwrap_or_else(|| panic!("{what}"));
    assert!(at("member/list") < at(&format!(" {POLICY}")) && at(&format!(" {POLICY}")) < at("/held/"), "{calls:#?}");

    // Once more is nothing.
    host.forget_calls().file(RECORD, "x");
    let printed = host.run(&configure(&["kube-apiserver"])).ok();
    assert_eq!((printed.as_str(), ended(&host)), ("unchanged\n", vec![]));
    assert!(host.exists(RECORD) && !host.exists("/etc/kubernetes/kubeone-upgrade/new"));
    assert_new(&host);
}

#[test]
fn components_that_read_other_files_are_restarted_in_order() {
    let host = settings();
    std::fs::remove_file(host.path("/fakes/arguments/kube-apiserver")).unwrap();
    let printed = host.run(&configure(&["kube-scheduler", "etcd", "kube-apiserver"])).ok();
    let expected = ["etcd", "kube-apiserver", "kube-scheduler"];
    assert_eq!((restarted(&printed), host.read(POLICY).as_deref()), (expected.to_vec(), Some("new policy")));
    // The API server goes before its etcd, and comes after it.
    assert_eq!(ended(&host), ["kube-apiserver", "kube-scheduler", "etcd"]);
    let put: Vec<_> = host.calls_of("mv").into_iter().filter(|call| call.contains("kubeone-upgrade/kube-")).collect();
    assert!(put[0].contains("kube-apiserver") && put[1].contains("kube-scheduler"), "{put:#?}");
}

#[test]
fn files_alone_restart_nothing_and_await_nothing() {
    let host = settings();
    std::fs::remove_file(host.path("/fakes/arguments/kube-apiserver")).unwrap();
    host.fake("curl", "unexpected");
    let printed = host.run(&configure(&[])).ok();
    assert_eq!((printed.as_str(), host.exists(RECORD)), ("", false));
    assert_eq!((host.read(POLICY).as_deref(), host.exists(GONE)), (Some("new policy"), false));
    assert_settled(&host);
    // What only goes is a change, too, for which nothing is restarted.
    host.file(GONE, "unwanted");
    assert_eq!(host.run(&configure(&["kube-apiserver"])).ok(), "");
    assert!(!host.exists(GONE));
    // So is a file that is there already, with an argument that is not.
    host.file("/fakes/arguments/kube-scheduler", "- --new\n").fake("curl", ":");
    assert_eq!(restarted(&host.run(&configure(&["kube-apiserver"])).ok()), ["kube-scheduler"]);
}

#[test]
fn etcd_is_not_restarted_for_the_members_that_it_found_when_it_joined() {
    let host = settings();
    let manifest = format!("{MANIFESTS}/etcd.yaml");
    let joined = host.read(&manifest).unwrap()
        + "    - --initial-cluster=cp-2=https://10.0.0.2:2380,cp-1=https://10.0.0.1:2380\n\
                  \x20   - --initial-cluster-state=existing\n";
    host.file(&manifest, &joined);
    assert_eq!(restarted(&host.run(&configure(&[])).ok()), ["kube-apiserver"]);
    assert_eq!(host.read(&manifest), Some(joined));
    host.file("/fakes/arguments/etcd", "    - --initial-cluster-token=x\n");
    assert_eq!(restarted(&host.run(&configure(&[])).ok()), ["etcd"]);
}

#[test]
fn nothing_is_changed_while_a_member_of_etcd_is_ill_unless_it_does_not_matter() {
    let host = settings();
    host.fast_clock().file("/fakes/health", "{\"health\":\"false\"}");
    let complaint = host.run(&configure(&[])).fails();
    assert!(complaint.contains("all members of etcd are well: not within 150 s"), "{complaint}");
    assert_old(&host);
    assert!(host.exists(RECORD));
    std::fs::rename(host.path("/fakes/arguments/kube-apiserver"), host.path("/fakes/arguments/kube-scheduler"))
        .unwrap();
    assert_eq!(restarted(&host.run(&configure(&[])).ok()), ["kube-scheduler"]);
    host.file("/fakes/arguments/etcd", "- --new\n");
    host.run(&configure(&[])).fails();
}

/// The run of settings that a component does not start with.
fn failed(host: &Sandbox, restart: &[&str]) -> Run {
    let run = host.fast_clock().run(&configure(restart));
    assert!(run.code == Some(1) && restarted(&run.stdout).is_empty(), "{run:#?}");
    run
}

#[test]
fn manifests_and_files_come_back_when_a_component_is_not_well_in_time() {
    for (sick, with, restart) in [
        ("kube-apiserver", "- --new", &[][..]),
        ("kube-apiserver", "new policy", &[]),
        ("kube-apiserver", "new policy", &["kube-scheduler"]),
        ("kube-scheduler", "new policy", &["kube-scheduler"]),
        ("etcd", "- --new", &["etcd"]),
    ] {
        let host = settings();
        host.file("/fakes/arguments/etcd", if sick == "etcd" { "- --new\n" } else { "" });
        host.file(&format!("/fakes/sick/{sick}"), with);
        host.file(&format!("/var/log/pods/kube-system_{sick}-cp-1_uid/{sick}/0.log"), "unknown flag: --new\n");
        let complaint = failed(&host, restart).stderr;
        assert!(complaint.contains(&format!("{sick} said last:\n  unknown flag: --new")), "{sick}: {complaint}");
        assert!(complaint.ends_with("previous settings restored\n"), "{sick}: {complaint}");
        assert_old(&host);
        assert!(!host.exists(RECORD), "the engine looks at it again");
    }
}

#[test]
fn an_api_server_that_cannot_use_a_new_etcd_counts_as_well() {
    let host = settings();
    std::fs::rename(host.path("/fakes/arguments/kube-apiserver"), host.path("/fakes/arguments/etcd")).unwrap();
    host.file("/fakes/sick/kube-apiserver", "new policy");
    let complaint = failed(&host, &[]).stderr;
    assert!(complaint.contains("the API server is well: not within 150 s"), "{complaint}");
    assert_old(&host);
}

#[test]
fn previous_settings_that_are_not_well_either_are_named_and_kept() {
    let host = settings();
    host.file("/fakes/sick/kube-apiserver", "policy");
    let complaint = failed(&host, &[]).stderr;
    assert!(complaint.ends_with("the components are not well with the previous settings either\n"), "{complaint}");
    assert_eq!(host.read(POLICY).as_deref(), Some("old policy"));
    assert!(host.exists("/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf") && host.exists(BEFORE));
    std::fs::remove_file(host.path("/fakes/sick/kube-apiserver")).unwrap();
    host.run(&configure(&[])).ok();
    assert_new(&host);
}

#[test]
fn a_run_that_was_cut_off_anywhere_is_done_by_the_next_one() {
    for command in (5..2000).step_by(37) {
        let host = settings();
        let cut = host.cut_off_at(command).run(&configure(&["kube-scheduler"]));
        let is_done = is_done(&host);
        let printed = host.run(&configure(&["kube-scheduler"])).ok();
        let expected: &[&str] = if is_done { &[] } else { &["kube-apiserver", "kube-scheduler"] };
        assert_eq!(restarted(&printed), expected, "{command}");
        assert_new(&host);
        if cut.code != Some(CUT_OFF) {
            cut.ok();
            assert!(command > 300, "{command} commands are few");
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_the_first_of_interrupted_runs_found_comes_back() {
    for command in (5..2000).step_by(61) {
        let host = settings();
        host.cut_off_at(command).run(&configure(&["kube-scheduler"]));
        if is_done(&host) {
            assert!(command > 300, "{command} commands are few");
            return;
        }
        host.file("/fakes/sick/kube-scheduler", "new policy").fast_clock();
        let complaint = host.run(&configure(&["kube-scheduler"])).fails();
        assert!(complaint.ends_with("previous settings restored\n"), "{command}: {complaint}");
        assert_old(&host);
    }
    panic!("it never ends");
}

#[test]
fn a_held_manifest_whose_successor_is_in_place_is_forgotten() {
    let host = settings();
    host.file("/etc/kubernetes/kubeone-upgrade/held/kube-scheduler.yaml", "earlier");
    assert_eq!(restarted(&host.run(&configure(&[])).ok()), ["kube-apiserver"]);
    assert_new(&host);
}

#[test]
fn what_was_kept_of_a_change_that_was_done_does_not_come_back() {
    let host = settings();
    // A run that was cut off as it removed a file.
    host.file(&format!("{BEFORE}/etc/kubernetes/audit/removed.yaml"), "unwanted");
    host.file("/fakes/sick/kube-apiserver", "new policy");
    failed(&host, &[]);
    assert_old(&host);
    assert!(!host.exists("/etc/kubernetes/audit/removed.yaml"));
}

#[test]
fn what_cannot_be_managed_is_refused_before_anything_is_done() {
    let host = settings();
    for (files, remove) in [("/etc/passwd", GONE), (POLICY, "/etc/passwd"), ("/etc/kubernetes/unstaged", GONE)] {
        let configure = configure(&[]).var("FILES", files).var("REMOVE", remove);
        host.run(&configure).fails();
        assert_eq!((ended(&host), host.calls_of("kubeadm")), (vec![], vec![]));
        assert_old(&host);
    }
}

#[test]
fn an_upgrade_after_settings_that_were_cut_off_goes_on_from_there() {
    let host = settings();
    host.file(&format!("{BEFORE}/components"), "kube-apiserver\n")
        .file(&format!("{BEFORE}/manifests/kube-apiserver.yaml"), "x");
    let kubeadm = format!("if [[ $* == 'certs renew all '* ]]; then exit; fi\n{KUBEADM}");
    host.fake("kubeadm", &kubeadm);
    let upgrade =
        script("upgrade_control_plane").var("PART", "static_pods").var("CONFIG", "config").var("API_PORT", 6443);
    let upgrade = upgrade.var("KUBERNETES_VERSION", "1.36.3").var("PATCHES", "").var("RESTART_PODS", false);
    host.run(&upgrade).ok();
    assert!(!host.exists(BEFORE));
}
