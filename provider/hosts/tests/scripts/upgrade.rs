//! Upgrades, restarts and renewals of a control plane that runs.

use kubeone_hosts::Script;

use crate::control_plane::COMPONENTS;
use crate::sandbox::{Sandbox, script};

const MANIFESTS: &str = "/etc/kubernetes/manifests";
const WORK: &str = "/etc/kubernetes/kubeone-upgrade";

/// kubeadm, which writes manifests of 1.36 where it is told to.
const KUBEADM: &str = r#"
case $* in
  'init phase control-plane all --dry-run --config '*) components=(kube-apiserver kube-controller-manager kube-scheduler) ;;
  'init phase etcd local --dry-run --config '*) components=(etcd) ;;
  'certs renew all --config '*) components=() ;;
  'upgrade apply v1.36.3 --yes --skip-phases preflight,control-plane,addon'*) components=() ;;
  *) unexpected ;;
esac
for name in "${components[@]}"; do sed 's/v1.35.4/v1.36.3/; s/3.6.6-0/3.6.8-0/' "/fakes/manifests/$name.yaml" >"$KUBEADM_INIT_DRYRUN_DIR/$name.yaml"; done
"#;

/// The answers of a control plane of three members; one without a manifest that is whole answers nothing. A file
/// /fakes/sick/NAME says with what in its files a component is not well.
const CURL: &str = r#"
well() {
  [[ -e /etc/kubernetes/manifests/$1.yaml ]] || exit 7
  if [[ -e /fakes/sick/$1 ]] && cat "/etc/kubernetes/manifests/$1.yaml" /etc/kubernetes/audit/* 2>/dev/null | grep --quiet -e "$(cat "/fakes/sick/$1")"; then exit 22; fi
}
case ${*: -1} in
  https://127.0.0.1:2379/health) well etcd; echo '{"health":"true"}' ;;
  https://10.0.0.*:2379/health) cat /fakes/health ;;
  */v3/cluster/member/list) cat /fakes/members ;;
  */v3/maintenance/status) cat /fakes/status ;;
  */v3/maintenance/transfer-leadership) ;;
  https://127.0.0.1:6443/livez) well kube-apiserver ;;
  https://127.0.0.1:6443/readyz) well kube-apiserver ;;
  https://kubernetes:6443/readyz) well kube-apiserver ;;
  https://127.0.0.1:10257/healthz) well kube-controller-manager ;;
  https://127.0.0.1:10259/healthz) well kube-scheduler ;;
  *) unexpected ;;
esac
"#;

const MEMBERS: &str = r#"{"members":[{"ID":"1","name":"cp-1","clientURLs":["https://10.0.0.1:2379"]},{"ID":"2","name":"cp-2","clientURLs":["https://10.0.0.2:2379"]}]}"#;

pub(crate) fn running() -> Sandbox {
    let host = Sandbox::control_plane();
    for name in COMPONENTS {
        let path = format!("{MANIFESTS}/{name}.yaml");
        host.file(&format!("/fakes/manifests/{name}.yaml"), &host.read(&path).unwrap());
    }
    host.file("/fakes/members", MEMBERS)
        .file("/fakes/health", "{\"health\":\"true\"}")
        .file(
            "/fakes/status",
            r#"{"header":{"member_id":"1"},"leader":"1","raftIndex":"900","raftAppliedIndex":"899"}"#,
        )
        .fake("kubeadm", KUBEADM)
        .fake("curl", CURL);
    host
}

fn upgrade(part: &str, restart_pods: bool) -> Script {
    let upgrade = script("upgrade_control_plane").var("PART", part).var("CONFIG", "config").var("API_PORT", 6443);
    upgrade.var("KUBERNETES_VERSION", "1.36.3").var("PATCHES", "").var("RESTART_PODS", restart_pods)
}

/// The versions that the manifests name, in the order of [`COMPONENTS`].
fn versions(host: &Sandbox) -> Vec<String> {
    let image = |name: &&str| {
        let manifest = host.read(&format!("{MANIFESTS}/{name}.yaml")).unwrap_or_default();
        manifest.rsplit_once(':').map(|it| it.1.trim().to_owned()).unwrap_or_default()
    };
    COMPONENTS.iter().map(image).collect()
}

const OLD: [&str; 4] = ["3.6.6-0", "v1.35.4", "v1.35.4", "v1.35.4"];
const NEW: [&str; 4] = ["3.6.8-0", "v1.36.3", "v1.36.3", "v1.36.3"];

#[test]
fn static_pods_are_exchanged_and_the_old_manifests_kept() {
    let host = running();
    host.watch("mv");
    host.run(&upgrade("static_pods", false)).ok();
    assert_eq!(versions(&host), NEW);
    let kept: Vec<_> = COMPONENTS.iter().map(|name| host.read(&format!("{WORK}/old/{name}.yaml"))).collect();
    let before: Vec<_> = COMPONENTS.iter().map(|name| host.read(&format!("/fakes/manifests/{name}.yaml"))).collect();
    assert_eq!(kept, before);
    assert_eq!((host.mode(WORK), host.mode(&format!("{MANIFESTS}/etcd.yaml"))), ("700".to_owned(), "600".to_owned()));
    for path in ["held", "new", "config.yaml"] {
        assert!(!host.exists(&format!("{WORK}/{path}")), "{path}");
    }
    assert!(!host.exists("/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf"));
    assert!(!host.exists("/etc/kubeone/recorded/files.sha256"));
    let moves: Vec<_> = host.calls_of("mv");
    // The API server lets its clients go before its etcd ends, and etcd is the first to come back.
    let away =
        |name: &str| moves.iter().position(|it| it.contains(&format!("{MANIFESTS}/{name}.yaml {WORK}/held/"))).unwrap();
    let back = |name: &str| moves.iter().position(|it| it.ends_with(&format!(" {MANIFESTS}/{name}.yaml"))).unwrap();
    assert!(
        away("kube-apiserver") < away("etcd") && away("etcd") < back("etcd") && back("etcd") < back("kube-apiserver")
    );
    assert!(back("kube-apiserver") < back("kube-controller-manager"), "{moves:#?}");
    let calls = host.calls();
    let renewed = calls.iter().position(|call| call.starts_with("kubeadm certs renew all")).unwrap();
    assert!(calls[..renewed].iter().all(|call| !call.contains("/held/")), "certificates are renewed while all runs");
    assert!(calls.iter().any(|call| call.contains("transfer-leadership")));

    // What is new and well is left alone.
    host.forget_calls();
    host.run(&upgrade("static_pods", false)).ok();
    assert!(
        !host.calls().iter().any(|call| call.contains("/held") || call.contains("certs renew")),
        "{:#?}",
        host.calls()
    );
}

#[test]
fn an_upgrade_does_not_begin_while_a_member_of_etcd_is_ill_or_learns() {
    for (members, health) in [
        (MEMBERS.to_owned(), "{\"health\":\"false\"}"),
        (MEMBERS.replace("\"ID\":\"2\"", "\"ID\":\"2\",\"isLearner\":true"), "{\"health\":\"true\"}"),
        (String::new(), "{\"health\":\"true\"}"),
        (
            MEMBERS.replace("]}]", "]},{\"ID\":\"3\",\"peerURLs\":[\"https://10.0.0.3:2380\"]}]"),
            "{\"health\":\"true\"}",
        ),
    ] {
        let host = running();
        host.fast_clock().file("/fakes/members", &members).file("/fakes/health", health);
        let complaint = host.run(&upgrade("static_pods", false)).fails();
        assert!(complaint.contains("all members of etcd are well: not within 150 s"), "{complaint}");
        assert_eq!(versions(&host), OLD);
        assert!(!host.calls().iter().any(|call| call.contains("certs renew")));
    }
}

#[test]
fn old_manifests_come_back_when_a_component_is_not_well_in_time() {
    for (sick, expected) in [
        ("kube-apiserver", "kube-apiserver is well: not within 150 s"),
        ("kube-scheduler", "kube-scheduler is well: not within 150 s"),
        ("etcd", "etcd has caught up: not within 150 s"),
    ] {
        let host = running();
        host.fast_clock().file(&format!("/fakes/sick/{sick}"), if sick == "etcd" { "3.6.8" } else { "1.36.3" });
        let run = host.run(&upgrade("static_pods", false));
        assert!(run.stderr.contains(expected) && run.stderr.contains("the old manifests are put back"), "{run:#?}");
        run.fails();
        assert_eq!(versions(&host), OLD, "{sick}");
        assert!(!host.exists(&format!("{WORK}/held")));
        assert!(!host.exists("/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf"));
    }
}

#[test]
fn a_member_that_lags_behind_has_not_caught_up() {
    let host = running();
    host.fast_clock()
        .file("/fakes/status", r#"{"header":{"member_id":"1"},"raftIndex":"9000","raftAppliedIndex":"8000"}"#);
    let complaint = host.run(&upgrade("static_pods", false)).fails();
    assert!(complaint.contains("etcd has caught up: not within 150 s"), "{complaint}");
    // Only the kubelet would bring back what is held when the old ones are not well either.
    assert!(host.exists("/etc/systemd/system/kubelet.service.d/30-kubeone-upgrade.conf"), "{complaint}");
    assert!(complaint.contains("the old components are not well either"), "{complaint}");
}

#[test]
fn a_run_that_was_cut_off_while_manifests_were_held_is_completed() {
    let host = running();
    for name in ["etcd", "kube-apiserver"] {
        host.file(&format!("{WORK}/held/{name}.yaml"), &host.read(&format!("{MANIFESTS}/{name}.yaml")).unwrap());
        std::fs::remove_file(host.path(&format!("{MANIFESTS}/{name}.yaml"))).unwrap();
    }
    // Without its manifest this member does not answer, but it was well before.
    host.run(&upgrade("static_pods", false)).ok();
    assert_eq!(versions(&host), NEW);
    assert!(host.read(&format!("{WORK}/old/etcd.yaml")).unwrap().contains("3.6.6-0"));
    assert!(!host.exists(&format!("{WORK}/held")));
}

#[test]
fn a_kubelet_that_takes_pods_for_others_gets_them_in_order() {
    let host = running();
    host.watch("mv");
    host.run(&upgrade("kubelet", true)).ok();
    assert_eq!(versions(&host), OLD, "the manifests are the same");
    let calls = host.calls();
    let at =
        |what: &str| calls.iter().position(|call| call.contains(what)).unwrap_or_else(|| panic!("{what}: {calls:#?}"));
    assert!(at("kubeadm upgrade apply v1.36.3") < at("/held/"));
    assert!(at(&format!("{MANIFESTS}/etcd.yaml {WORK}/held/")) < at("systemctl restart kubelet"));
    assert!(at("systemctl restart kubelet") < at(&format!("{WORK}/etcd.yaml {MANIFESTS}/etcd.yaml")));
    assert!(at("systemctl daemon-reload") < at("systemctl restart kubelet"));
    assert!(!host.exists(&format!("{WORK}/held")));

    host.forget_calls();
    host.run(&upgrade("kubelet", false)).ok();
    assert!(!host.calls().iter().any(|call| call.contains("/held")));
    assert_eq!(host.calls_of("systemctl"), ["daemon-reload", "restart kubelet"]);
}

#[test]
fn a_new_kubelet_that_does_not_start_gives_back_what_is_held() {
    let host = running();
    host.fast_clock().fake("systemctl", "if [[ $* == 'restart kubelet' ]]; then exit 1; fi");
    host.run(&upgrade("kubelet", true)).fails();
    assert_eq!(host.running(), COMPONENTS);
    assert!(!host.exists(&format!("{WORK}/held")));
}

fn restart(components: &[&str], health: bool, renewed: bool) -> Script {
    let restart = script("restart_components").lines("COMPONENTS", components).var("API_PORT", 6443);
    restart.var("AWAIT_HEALTH", health).var("RENEWED", renewed)
}

#[test]
fn components_end_in_order_and_the_note_of_a_renewal_goes_last() {
    let host = running();
    // The kubelet starts another container as soon as one has ended.
    host.fake(
        "ctr",
        r#"
        shift 2
        case $* in
          'containers list --quiet '*) name=${4#*==}; name=${name%%,*}; printf 'c-%s-%s\n' "$name" "$(cat "/fakes/times/$name" 2>/dev/null || echo 0)" ;;
          'tasks list') for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do printf 'c-%s-%s 7 RUNNING\n' "$name" "$(cat "/fakes/times/$name" 2>/dev/null || echo 0)"; done ;;
          'tasks kill --signal SIGTERM '*) name=${5#c-}; mkdir -p /fakes/times; echo 1 >"/fakes/times/${name%-*}" ;;
          *) unexpected ;;
        esac"#,
    );
    host.file("/etc/kubeone/renewal", "all\n");
    host.run(&restart(&COMPONENTS, true, true)).ok();
    let killed: Vec<_> =
        host.calls_of("ctr").into_iter().filter_map(|call| Some(call.split_once("SIGTERM ")?.1.to_owned())).collect();
    assert_eq!(killed, ["c-kube-apiserver-0", "c-etcd-0", "c-kube-controller-manager-0", "c-kube-scheduler-0"]);
    assert!(!host.exists("/etc/kubeone/renewal"));
    assert_eq!(host.calls_of("systemctl"), ["--quiet is-active kubelet"]);
    let calls = host.calls();
    let handed = calls.iter().position(|call| call.contains("transfer-leadership")).unwrap();
    let ended = calls.iter().position(|call| call.contains("SIGTERM c-etcd-0")).unwrap();
    assert!(handed < ended);
}

#[test]
fn a_component_that_does_not_end_is_ended_and_one_that_does_not_come_back_is_named() {
    let host = running();
    host.fast_clock().file("/etc/kubeone/renewal", "x").file("/fakes/sick/kube-apiserver", "v1");
    host.fake(
        "ctr",
        r#"
        shift 2
        case $* in
          'containers list --quiet '*) if [[ ! -e /fakes/killed ]]; then echo c-old; else echo c-new; fi ;;
          'tasks list') printf 'c-old 7 RUNNING\nc-new 8 RUNNING\n' ;;
          'tasks kill --signal SIGTERM c-old') ;;
          'tasks kill --signal SIGKILL c-old') touch /fakes/killed ;;
          *) unexpected ;;
        esac"#,
    );
    let complaint = host.run(&restart(&["kube-apiserver"], true, true)).fails();
    assert!(complaint.contains("the API server is ready again: not within 1"), "{complaint}");
    assert!(host.calls().iter().any(|call| call.ends_with("SIGKILL c-old")));
    assert!(host.exists("/etc/kubeone/renewal"), "it is not done");
    // Where the others are not there either, health is not awaited.
    std::fs::remove_file(host.path("/fakes/killed")).unwrap();
    host.run(&restart(&["kube-apiserver"], false, false)).ok();
    assert!(host.exists("/etc/kubeone/renewal"));
}

#[test]
fn without_a_kubelet_it_is_started_again() {
    let host = running();
    host.fake("systemctl", "if [[ $* == *is-active* ]]; then exit 3; fi");
    host.fake("ctr", "shift 2; case $* in containers*) ;; *) echo ;; esac");
    host.fast_clock();
    host.run(&restart(&["kube-scheduler"], false, false)).fails();
    assert!(host.calls_of("systemctl").contains(&"restart kubelet".to_owned()));
}

fn renew(certificates: &[&str], new_names: bool) -> Script {
    let renew = script("renew_certificates").lines("CERTIFICATES", certificates).var("CONFIG", "the config");
    renew
        .var("NEW_NAMES", new_names)
        .var("NEW_CERTIFICATES", "/etc/kubernetes/pki/kubeone-new")
        .var("NAMED_CONFIG", "with names")
}

#[test]
fn certificates_are_renewed_one_by_one_and_the_api_servers_is_made_anew_for_new_names() {
    let host = Sandbox::new();
    host.file("/etc/kubernetes/pki/ca.crt", "ca").file("/etc/kubernetes/pki/ca.key", "key");
    host.file("/etc/kubernetes/pki/apiserver.crt", "old").file("/etc/kubernetes/pki/apiserver.key", "old");
    host.file("/etc/kubernetes/pki/kubeone-new/apiserver.crt", "of a run that was cut off");
    host.fake(
        "kubeadm",
        r#"
        cat "${*: -1}" >>/fakes/configs; echo >>/fakes/configs
        if [[ $* == 'init phase certs apiserver'* ]]; then
          new=/etc/kubernetes/pki/kubeone-new
          [[ ! -e $new/apiserver.crt && -e $new/ca.key ]] || exit 1
          echo new >$new/apiserver.crt; echo new >$new/apiserver.key
        fi"#,
    );
    host.run(&renew(&["etcd-peer", "apiserver", "scheduler.conf"], true)).ok();
    let verbs: Vec<_> =
        host.calls_of("kubeadm").iter().map(|call| call.split(" --config").next().unwrap().to_owned()).collect();
    assert_eq!(verbs, ["certs renew etcd-peer", "init phase certs apiserver", "certs renew scheduler.conf"]);
    assert_eq!(host.read("/fakes/configs").as_deref(), Some("the config\nwith names\nthe config\n"));
    assert_eq!(host.read("/etc/kubernetes/pki/apiserver.crt").as_deref(), Some("new\n"));
    assert_eq!(host.read("/etc/kubernetes/pki/apiserver.key").as_deref(), Some("new\n"));
    assert!(!host.exists("/etc/kubernetes/pki/kubeone-new"));
    assert_eq!(host.read("/etc/kubeone/renewal").as_deref(), Some("etcd-peer\napiserver\nscheduler.conf\n"));
    assert_eq!(host.tree("/run/kubeone"), Vec::<String>::new(), "no configuration is left");

    host.forget_calls();
    host.run(&renew(&["apiserver"], false)).ok();
    assert!(host.calls_of("kubeadm")[0].starts_with("certs renew apiserver --config /run/kubeone/config."));
    // What is not renewed stays noted.
    host.fake("kubeadm", "exit 1");
    host.run(&renew(&["front-proxy-client"], false)).fails();
    assert_eq!(host.read("/etc/kubeone/renewal").as_deref(), Some("front-proxy-client\n"));
}

#[test]
fn a_worker_gets_a_kubelet_and_loses_its_record_before() {
    let host = Sandbox::new();
    host.file("/etc/kubeone/recorded/files.sha256", "x").fake("systemctl", "");
    host.fake("kubeadm", "[[ ! -e /etc/kubeone/recorded/files.sha256 ]]");
    host.run(&script("upgrade_kubelet").var("PATCHES", "/etc/kubeone/patches")).ok();
    assert_eq!(
        host.calls(),
        [
            "kubeadm upgrade node --skip-phases preflight --patches /etc/kubeone/patches",
            "systemctl daemon-reload",
            "systemctl restart kubelet"
        ]
    );
}
