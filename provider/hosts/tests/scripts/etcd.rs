//! What is asked of etcd, and what the answers are taken for.

use kubeone_hosts::Script;

use crate::sandbox::{Sandbox, script};

/// Members as etcd lists them: `three` never started, and the last has no vote.
const MEMBERS: &str = r#"{"header":{"cluster_id":"9"},"members":[{"ID":"1","name":"cp-1","peerURLs":["https://10.0.0.1:2380"],"clientURLs":["https://10.0.0.1:2379"]},{"ID":"2","name":"cp-2","peerURLs":["https://10.0.0.2:2380"],"clientURLs":["https://10.0.0.2:2379"]},{"ID":"3","peerURLs":["https://10.0.0.3:2380"]},{"ID":"4","name":"cp-4","peerURLs":["https://10.0.0.4:2380"],"clientURLs":["https://10.0.0.4:2379"],"isLearner":true}]}"#;

/// An etcd whose members are as /fakes/health says: a line `URL ANSWER` for each that answers.
fn members(sandbox: &Sandbox, list: &str, health: &str) {
    sandbox.file("/fakes/members", list).file("/fakes/health", health);
    sandbox.fake(
        "curl",
        r#"
        url=${*: -1}
        case $url in
          https://127.0.0.1:2379/v3/cluster/member/list) [[ -s /fakes/members ]] || exit 7; cat /fakes/members ;;
          */health) answer=$(sed -n "s|^${url%/health} ||p" /fakes/health); [[ $answer ]] || exit 28; printf '%s' "$answer" ;;
          *) unexpected ;;
        esac
        "#,
    );
}

fn voters(patience: u32) -> Script {
    script("etcd_voters").var("PATIENCE", patience)
}

#[test]
fn only_members_that_say_so_are_well() {
    let host = Sandbox::new();
    let health = "https://10.0.0.1:2379 {\"health\":\"true\"}\nhttps://10.0.0.2:2379 {\"health\":\"false\"}\n\
                  https://10.0.0.4:2379 {\"health\":\"true\"}\n";
    members(&host, MEMBERS, health);
    let printed = host.run(&voters(0)).ok();
    assert_eq!(printed, "well cp-1\nill cp-2\nill a member that never started\n");
    assert!(!host.calls().iter().any(|call| call.contains("10.0.0.4")), "a learner is not asked");
    let asked = host.calls_of("curl").into_iter().find(|call| call.ends_with("https://10.0.0.2:2379/health")).unwrap();
    assert!(asked.contains("--max-time") && asked.contains("--cacert /etc/kubernetes/pki/etcd/ca.crt"), "{asked}");
}

#[test]
fn it_asks_until_a_majority_is_well_without_one_of_them_or_patience_ends() {
    let host = Sandbox::new();
    host.fast_clock();
    let three = MEMBERS.replace(r#""ID":"3","#, r#""ID":"3","name":"cp-3","clientURLs":["https://10.0.0.3:2379"],"#);
    let health = |third: &str| {
        let well = "{\"health\":\"true\"}";
        format!("https://10.0.0.1:2379 {well}\nhttps://10.0.0.2:2379 {well}\nhttps://10.0.0.3:2379 {third}\n")
    };
    let rounds = |host: &Sandbox| host.calls().iter().filter(|call| call.ends_with("member/list")).count();
    members(&host, &three, &health("{\"health\":\"true\"}"));
    assert_eq!(host.run(&voters(60)).ok(), "well cp-1\nwell cp-2\nwell cp-3\n");
    assert_eq!(rounds(&host), 1);
    host.forget_calls();
    members(&host, &three, &health("{\"health\":\"false\"}"));
    assert_eq!(host.run(&voters(60)).ok(), "well cp-1\nwell cp-2\nill cp-3\n");
    assert!((6..9).contains(&rounds(&host)), "{}", rounds(&host));
}

#[test]
fn a_member_that_does_not_list_the_others_fails() {
    let host = Sandbox::new();
    members(&host, "", "");
    let complaint = host.run(&voters(0)).fails();
    assert!(complaint.contains("does not say who the members are"), "{complaint}");
}

#[test]
fn health_of_the_own_member() {
    let host = Sandbox::new();
    for (health, well) in
        [("{\"health\":\"true\"}", true), ("{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}", false), ("", false)]
    {
        members(&host, MEMBERS, &format!("https://127.0.0.1:2379 {health}\n"));
        let run = host.run(&script("etcd_health"));
        assert_eq!(run.code == Some(0), well, "{health}: {run:?}");
        if !well {
            let expected = if health.is_empty() { "no answer" } else { health };
            assert!(run.fails().contains(&format!("etcd on this host is not well: {expected}")));
        }
    }
}

#[test]
fn a_member_is_removed_when_etcd_counts_on_the_others() {
    let host = Sandbox::new();
    let remove = script("remove_etcd_member").var("MEMBER_ID", "18446744073709551615");
    host.fake(
        "curl",
        r#"
        if [[ $* == *'--data {"ID":"18446744073709551615"}'*'/v3/cluster/member/remove' ]]; then
          echo x >>/fakes/tries
          if (($(wc -l </fakes/tries) < 3)); then echo 'etcdserver: unhealthy cluster'; exit 22; fi
          exit 0
        fi
        unexpected"#,
    );
    host.run(&remove).ok();
    assert_eq!(host.calls_of("curl").len(), 3);

    host.fake("curl", "echo '{\"error\":\"etcdserver: member not found\"}'; exit 22");
    host.run(&remove).ok();

    host.forget_calls()
        .fake("curl", "echo 'etcdserver: re-configuration failed due to not enough started members'; exit 22");
    let complaint = host.run(&remove).fails();
    assert!(complaint.contains("not enough started members"), "{complaint}");
    assert_eq!(host.calls_of("curl").len(), 1);

    host.fast_clock().forget_calls().fake("curl", "echo 'etcdserver: unhealthy cluster'; exit 22");
    let complaint = host.run(&remove).fails();
    assert!(complaint.contains("unhealthy cluster"), "{complaint}");
    assert!((6..9).contains(&host.calls_of("curl").len()));
}

#[test]
fn leadership_is_handed_over_to_another_voter_and_manifests_go_first() {
    // A learner cannot lead, wherever it stands in the list.
    let learner = format!(",{}", &MEMBERS[MEMBERS.find(r#"{"ID":"4""#).unwrap()..MEMBERS.len() - 2]);
    let without = MEMBERS.replace(&learner, "");
    let learner_first = without.replace(r#"{"ID":"1""#, &format!(r#"{},{{"ID":"1""#, &learner[1..]));
    assert_eq!((without.matches("isLearner").count(), learner_first.len()), (0, MEMBERS.len()));
    for (members, leader, successor, expected) in [
        (MEMBERS, "1", "", Some("{\"targetID\":\"2\"}")),
        (&learner_first, "1", "", Some("{\"targetID\":\"2\"}")),
        (MEMBERS, "1", "3", Some("{\"targetID\":\"3\"}")),
        (MEMBERS, "2", "", None),
    ] {
        let host = Sandbox::control_plane();
        host.file("/fakes/members", members).file("/fakes/leader", leader);
        host.fake(
            "curl",
            r#"
            case ${*: -1} in
              */livez) exit 7 ;;
              */maintenance/status) printf '{"header":{"cluster_id":"9","member_id":"1"},"leader":"%s"}' "$(cat /fakes/leader)" ;;
              */cluster/member/list) cat /fakes/members ;;
              */maintenance/transfer-leadership) ;;
              *) unexpected ;;
            esac"#,
        );
        host.run(&script("leave_control_plane").var("API_PORT", 6443).var("SUCCESSOR", successor)).ok();
        assert_eq!(host.running(), ["etcd"]);
        let calls = host.calls_of("curl");
        let transfer = calls.iter().find(|call| call.contains("transfer-leadership"));
        assert_eq!(transfer.is_some(), expected.is_some(), "{calls:#?}");
        if let (Some(transfer), Some(expected)) = (transfer, expected) {
            assert!(transfer.contains(&format!("--data {expected} ")), "{transfer}");
        }
    }
}
