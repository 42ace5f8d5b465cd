//! How hosts become nodes, and what is set and kept on them.

use std::os::unix::fs::PermissionsExt as _;

use kubeone_hosts::Script;

use crate::sandbox::{Sandbox, script};

#[test]
fn an_init_has_its_configuration_in_memory_and_leaves_none() {
    let host = Sandbox::new();
    host.fake("kubeadm", "stat --format '%a %n' \"$3\" >/fakes/config; cat \"$3\" >>/fakes/config");
    host.run(&script("kubeadm_init").var("CONFIG", "the config").var("IGNORED", "DirAvailable--var-lib-etcd")).ok();
    let call = &host.calls_of("kubeadm")[0];
    assert!(call.ends_with(" --skip-token-print --ignore-preflight-errors DirAvailable--var-lib-etcd"), "{call}");
    let config = host.read("/fakes/config").unwrap();
    assert!(config.starts_with("600 /run/kubeone/config.") && config.ends_with("\nthe config"), "{config}");
    assert_eq!((host.tree("/run/kubeone"), host.mode("/run/kubeone")), (Vec::<String>::new(), "700".to_owned()));
    assert_eq!(host.tree("/tmp"), Vec::<String>::new());
    host.forget_calls();
    host.run(&script("kubeadm_init").var("CONFIG", "the config").var("IGNORED", "")).ok();
    assert!(host.calls_of("kubeadm")[0].ends_with(" --skip-token-print"));
    host.fake("kubeadm", "exit 3");
    host.run(&script("kubeadm_init").var("CONFIG", "x").var("IGNORED", "")).fails();
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new());
}

#[test]
fn a_folder_in_memory_that_is_not_roots_own_is_refused() {
    let host = Sandbox::new();
    host.file("/tmp/trap/x", "").fake("kubeadm", "");
    std::os::unix::fs::symlink("/tmp/trap", host.path("/run/kubeone")).unwrap();
    let complaint = host.run(&script("kubeadm_init").var("CONFIG", "secret").var("IGNORED", "")).fails();
    assert!(complaint.contains("/run/kubeone is a link, or not owned by root"), "{complaint}");
    assert_eq!(host.tree("/tmp/trap"), ["x"]);
    assert_eq!(host.calls_of("kubeadm"), Vec::<String>::new());
}

#[test]
fn a_folder_in_memory_that_others_could_read_is_closed_before_anything_is_in_it() {
    let host = Sandbox::new();
    host.file("/run/kubeone/kept", "").fake("kubeadm", "stat --format %a /run/kubeone >/fakes/mode");
    std::fs::set_permissions(host.path("/run/kubeone"), std::fs::Permissions::from_mode(0o777)).unwrap();
    host.run(&script("kubeadm_init").var("CONFIG", "secret").var("IGNORED", "")).ok();
    assert_eq!(host.read("/fakes/mode").as_deref(), Some("700\n"));
}

fn join(api_port: &str) -> Script {
    script("kubeadm_join").var("CONFIG", "with a token").var("DISCOVERY", "with a token").var("API_PORT", api_port)
}

/// kubeadm's phases: the manifests are written first, and when it joins etcd, whoever waits for it goes on.
const JOINING: &str = r#"
manifests=/etc/kubernetes/manifests
case $* in
  'join phase preflight --config '*) ;;
  'join phase control-plane-prepare all --config '*)
    mkdir -p $manifests
    touch $manifests/kube-{apiserver,controller-manager,scheduler}.yaml
    ;;
  'join --config '*' --skip-phases preflight,control-plane-prepare,wait-control-plane')
    ls $manifests >/fakes/seen
    if [[ -e /fakes/refuses ]]; then exit 1; fi
    touch $manifests/etcd.yaml
    ;;
  *) unexpected ;;
esac
"#;

const ANSWERS: &str = r#"
case ${*: -1} in
  https://127.0.0.1:2379/health) [[ -e /etc/kubernetes/manifests/etcd.yaml ]] ;;
  *) [[ $* == *https://kubernetes:6443/readyz* && -e /etc/kubernetes/manifests/kube-apiserver.yaml && ! -e /etc/kubernetes/manifests/kube-scheduler.yaml && ! -e /fakes/sick ]] ;;
esac
"#;

#[test]
fn components_of_a_new_control_plane_start_when_each_can_run() {
    let host = Sandbox::control_plane();
    std::fs::remove_dir_all(host.path("/etc/kubernetes/manifests")).unwrap();
    host.fake("kubeadm", JOINING).fake("curl", ANSWERS).fake("systemctl", "");
    host.run(&join("6443")).ok();
    assert_eq!(host.read("/fakes/seen").as_deref(), Some(""), "kubeadm joins while no manifest is there");
    assert_eq!(host.running(), crate::control_plane::COMPONENTS);
    assert!(!host.exists("/etc/kubernetes/kubeone-held"));
    assert_eq!(host.calls_of("systemctl"), ["restart kubelet"]);
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new(), "no token is left");
    // One that has its certificate is not disturbed.
    let host = Sandbox::control_plane();
    std::fs::remove_dir_all(host.path("/etc/kubernetes/manifests")).unwrap();
    host.file("/var/lib/kubelet/pki/kubelet-client-current.pem", "");
    host.fake("kubeadm", JOINING).fake("curl", ANSWERS);
    host.run(&join("6443")).ok();
    assert_eq!(host.calls_of("systemctl"), Vec::<String>::new());
}

#[test]
fn a_join_that_fails_starts_nothing_afterwards() {
    let host = Sandbox::control_plane();
    std::fs::remove_dir_all(host.path("/etc/kubernetes/manifests")).unwrap();
    host.fake("kubeadm", JOINING).fake("curl", ANSWERS).fake("systemctl", "").file("/fakes/refuses", "");
    host.run(&join("6443")).fails();
    assert_eq!(host.running(), Vec::<String>::new());
    assert_eq!(host.tree("/etc/kubernetes/kubeone-held").len(), 3);
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new(), "no token is left");
}

#[test]
fn a_new_api_server_that_never_is_ready_is_named() {
    let host = Sandbox::control_plane();
    std::fs::remove_dir_all(host.path("/etc/kubernetes/manifests")).unwrap();
    host.fast_clock().fake("kubeadm", JOINING).fake("curl", ANSWERS).file("/fakes/sick", "");
    let complaint = host.run(&join("6443")).fails();
    assert!(complaint.contains("the API server on this host is ready: not within 300 s"), "{complaint}");
}

#[test]
fn a_worker_joins_in_one_go() {
    let host = Sandbox::new();
    host.fake("kubeadm", "[[ $(cat \"$3\") == 'with a token' ]]");
    host.run(&join("")).ok();
    assert_eq!(host.calls().len(), 1);
    assert!(host.calls()[0].starts_with("kubeadm join --config /run/kubeone/config."));
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new());
}

fn settings(part: &str, text: &str, invocation: &str) -> Script {
    let settings = script("configure_kubelet").var("PART", part).var("SETTINGS", text).var("SERVICE", "[Service]");
    settings.var("INVOCATION", invocation)
}

const SETTINGS: &str = "/etc/kubeone/kubelet.conf.d/settings.conf";
const SERVICE: &str = "/etc/systemd/system/kubelet.service.d/20-kubeone.conf";
const BEFORE: &str = "/etc/kubeone/kubelet-settings.before";

/// A kubelet that is well unless its settings are bad.
fn kubelet() -> Sandbox {
    let host = Sandbox::new();
    host.file("/fakes/invocation", "one").fake("journalctl", "echo 'E0101 bad setting'; echo 'I0101 fine'");
    host.fake(
        "systemctl",
        r#"
        case $* in
          'cat kubelet') echo 'ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS' ;;
          'show --property InvocationID --value kubelet') cat /fakes/invocation ;;
          '--quiet is-active kubelet') ! grep --quiet bad /etc/kubeone/kubelet.conf.d/settings.conf 2>/dev/null ;;
        esac"#,
    );
    host.fake("curl", "! grep --quiet bad /etc/kubeone/kubelet.conf.d/settings.conf 2>/dev/null");
    host
}

#[test]
fn settings_are_tried_and_kept_while_the_same_kubelet_is_well() {
    let host = kubelet();
    host.run(&settings("write", "maxPods: 1", "")).ok();
    assert_eq!(host.read(SETTINGS).as_deref(), Some("maxPods: 1\n"));
    assert_eq!(host.calls(), Vec::<String>::new(), "nothing runs yet");

    assert_eq!(host.run(&settings("try", "maxPods: 2", "")).ok(), "one");
    assert_eq!(
        (host.read(SETTINGS).as_deref(), host.read(BEFORE).as_deref()),
        (Some("maxPods: 2\n"), Some("maxPods: 1\n"))
    );
    assert!(host.calls_of("systemctl").contains(&"restart kubelet".to_owned()));
    // A second try, after one that was cut off, does not take what was never recorded for what was there before.
    host.run(&settings("try", "maxPods: 3", "")).ok();
    assert_eq!(host.read(BEFORE).as_deref(), Some("maxPods: 1\n"));

    let complaint = host.run(&settings("keep", "", "another")).fails();
    assert!(complaint.contains("the kubelet ended after its start") && host.exists(BEFORE), "{complaint}");
    host.run(&settings("keep", "", "one")).ok();
    assert!(!host.exists(BEFORE));
}

#[test]
fn settings_that_a_kubelet_cannot_live_with_are_taken_back() {
    let host = kubelet();
    host.run(&settings("write", "maxPods: 1", "")).ok();
    let complaint = host.run(&settings("try", "bad: 1", "")).fails();
    assert!(
        complaint.contains("E0101 bad setting") && complaint.contains("the settings before are back"),
        "{complaint}"
    );
    assert!(!complaint.contains("I0101"), "{complaint}");
    assert_eq!(host.read(SETTINGS).as_deref(), Some("maxPods: 1\n"));
    assert!(!host.exists(BEFORE));
    // Where there were none before, there are none afterwards.
    let host = kubelet();
    host.run(&settings("try", "bad: 1", "")).fails();
    assert!(!host.exists(SETTINGS) && !host.exists(SERVICE) && !host.exists(BEFORE));
    // And where even those before are bad, they stay noted.
    let host = kubelet();
    host.file(SETTINGS, "bad: 0\n");
    let complaint = host.run(&settings("try", "bad: 1", "")).fails();
    assert!(complaint.contains("does not start with the settings before either") && host.exists(BEFORE), "{complaint}");
}

#[test]
fn a_kubelet_whose_service_does_not_read_settings_is_left_alone() {
    let host = kubelet();
    host.fake("systemctl", "echo 'ExecStart=/usr/bin/kubelet'");
    let complaint = host.run(&settings("try", "maxPods: 2", "")).fails();
    assert!(complaint.contains("KUBELET_CONFIG_ARGS") && !host.exists(SETTINGS), "{complaint}");
}

#[test]
fn files_of_others_are_kept_and_come_back() {
    let host = Sandbox::leaving();
    host.file("/etc/containerd/config.toml", "theirs").file("/etc/kubeone/cluster.json", "{}");
    let files = ["/etc/containerd/config.toml", "/etc/crictl.yaml"];
    host.run(&script("keep_originals").lines("FILES", files)).ok();
    assert_eq!(host.mode("/etc/kubeone/originals"), "700");
    host.file("/etc/containerd/config.toml", "ours").file("/etc/crictl.yaml", "ours");
    let remove = script("remove_configuration").lines("FILES", ["/etc/kubeone/cluster.json"]).lines("ORIGINALS", files);
    let remove = remove.var("CONTAINERD_REMOVED", false).var("CNI_REMOVED", false).var("KEEP_SNAPSHOTS", false);
    host.file("/opt/cni/bin/bridge", "").file("/var/lib/containerd/x", "");
    host.run(&remove).ok();
    assert_eq!(host.read("/etc/containerd/config.toml").as_deref(), Some("theirs"));
    assert!(!host.exists("/etc/crictl.yaml") && !host.exists("/etc/kubeone"));
    assert!(host.exists("/opt/cni/bin/bridge") && host.exists("/var/lib/containerd/x"), "what stays is not emptied");
    assert!(host.calls_of("systemctl").contains(&"try-restart containerd".to_owned()));
}

#[test]
fn swap_comes_back() {
    let host = Sandbox::leaving();
    host.file("/etc/fstab", "#kubeone# /dev/b none swap sw 0 0\n# mine\n").fake("swapon", "").watch("sync").watch("mv");
    let remove =
        script("remove_configuration").var("FILES", "/x").var("ORIGINALS", "").var("CONTAINERD_REMOVED", false);
    let remove = remove.var("CNI_REMOVED", false).var("KEEP_SNAPSHOTS", true);
    host.run(&remove).ok();
    assert_eq!(host.read("/etc/fstab").as_deref(), Some("/dev/b none swap sw 0 0\n# mine\n"));
    crate::power_cut::assert_survives(&host.calls(), "/etc/fstab");
    assert_eq!(host.calls_of("swapon"), ["--all"]);
}

#[test]
fn a_file_is_restored_from_a_copy_that_is_what_was_recorded() {
    let host = Sandbox::control_plane();
    std::fs::remove_dir_all(host.path("/etc/kubeone")).unwrap();
    host.run(&script("record_files")).ok();
    let (manifest, record) = ("/etc/kubernetes/manifests/etcd.yaml", "/etc/kubeone/recorded");
    assert_eq!(host.mode(record), "700");
    assert_eq!(host.read(&format!("{record}/files.sha256")).unwrap().lines().count(), 4);
    let good = host.read(manifest);
    let restore = script("restore_files").lines("FILES", [manifest]);
    std::fs::remove_dir_all(host.path("/etc/kubernetes/manifests")).unwrap();
    host.watch("cp").watch("mv").run(&restore).ok();
    assert_eq!(host.read(manifest), good);
    // The kubelet would run a draft that it finds.
    let arrivals: Vec<_> = host.calls().into_iter().filter(|call| call.contains("/manifests/")).collect();
    assert_eq!(arrivals, [format!("mv --no-target-directory -- /etc/kubernetes/etcd.yaml.restored {manifest}")]);
    assert_eq!(host.tree("/etc/kubernetes"), ["manifests/", "manifests/etcd.yaml"], "no draft is left among them");
    host.file(&format!("{record}/etcd.yaml"), "rotten").file(manifest, "edited");
    let complaint = host.run(&restore).fails();
    assert!(complaint.contains("the copy in /etc/kubeone/recorded is damaged, too"), "{complaint}");
    assert_eq!(host.read(manifest).as_deref(), Some("edited"));
}

#[test]
fn a_node_is_marked_when_it_is_there() {
    let host = Sandbox::new();
    host.fake("kubeadm", "")
        .fake("kubectl", "echo x >>/fakes/asked; (($(wc -l </fakes/asked) > 2)) || { echo not found; exit 1; }");
    host.run(&script("mark_control_plane").var("NODE", "cp-1").var("CONFIG", "c")).ok();
    assert_eq!((host.calls_of("kubectl").len(), host.calls_of("kubeadm").len()), (3, 1));
    let host = Sandbox::new();
    host.fast_clock().fake("kubectl", "echo not found; exit 1");
    let complaint = host.run(&script("mark_control_plane").var("NODE", "cp-1").var("CONFIG", "c")).fails();
    assert!(complaint.contains("the Node was not there within 120 s: not found"), "{complaint}");
}

#[test]
fn phases_are_made_again_one_by_one() {
    let host = Sandbox::new();
    host.fake("kubeadm", "cat \"${*: -1}\" >>/fakes/configs");
    host.run(&script("repair_cluster").var("CONFIG", "c").lines("PHASES", ["addon kube-proxy", "bootstrap-token"]))
        .ok();
    let calls = host.calls_of("kubeadm");
    assert!(
        calls[0].starts_with("init phase addon kube-proxy --config ")
            && calls[1].starts_with("init phase bootstrap-token --config ")
    );
    assert_eq!((calls.len(), host.read("/fakes/configs").as_deref()), (2, Some("cc")));
    host.fake("kubeadm", "exit 1").forget_calls();
    host.run(&script("repair_cluster").var("CONFIG", "c").lines("PHASES", ["a", "b"])).fails();
    assert_eq!(host.calls_of("kubeadm").len(), 1);
}

#[test]
fn services_start_in_order_and_a_kubelet_that_is_not_well_is_quoted() {
    let host = Sandbox::new();
    host.fake("systemctl", "").fake("curl", "");
    let start = |restart: bool| {
        script("start_services").lines("SERVICES", ["containerd", "kubelet"]).var("RESTART_KUBELET", restart)
    };
    host.run(&start(false)).ok();
    let calls = host.calls_of("systemctl");
    let started: Vec<_> = calls.iter().filter(|call| call.contains("start ")).collect();
    assert_eq!(started, ["start containerd", "start kubelet"]);
    assert!(
        calls.contains(&"--quiet enable kubelet".to_owned()) && calls.contains(&"--quiet unmask containerd".to_owned())
    );
    host.forget_calls();
    host.run(&start(true)).ok();
    assert!(host.calls_of("systemctl").contains(&"restart kubelet".to_owned()));
    host.fast_clock().fake("curl", "exit 7").fake("journalctl", "echo last words");
    let complaint = host.run(&start(false)).fails();
    assert!(
        complaint.contains("the kubelet was not healthy within 60 s") && complaint.contains("last words"),
        "{complaint}"
    );
}

#[test]
fn super_admin_does_not_lie_about() {
    let host = Sandbox::control_plane();
    host.file("/etc/kubernetes/super-admin.conf", "key").file("/etc/kubernetes/admin.conf", "key").watch("sync");
    for _ in 0..2 {
        host.run(&script("remove_super_admin")).ok();
        assert!(!host.exists("/etc/kubernetes/super-admin.conf") && host.exists("/etc/kubernetes/admin.conf"));
        assert_eq!(host.calls_of("sync"), ["-- /etc/kubernetes"]);
    }
}
