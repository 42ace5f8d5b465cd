//! The lock that keeps two applies apart, as the script really takes it.

use kubeone_hosts::{Host as _, Os, Script, SshHost};

use crate::server::Server;

/// The script on a host whose marker lies in the server's own `/run`.
fn lock(action: &str, holder: &str) -> Script {
    let script = Os::common().script("lock").unwrap();
    Script::new(script.name(), script.body().replace("/etc/kubeone/", "/run/etc-kubeone/"))
        .functions(include_str!("../../os/linux/functions/in_memory.sh"))
        .var("ACTION", action)
        .var("HOLDER", holder)
        .var("PROCESS", format!("process of {holder}"))
        .var("WHO", format!("{holder}'s apply"))
        .var("DEAD", "")
        .var("LIFETIME", 60)
        .var("CLUSTER", "prod")
        .var("UID_KNOWN", "1-2-3")
}

async fn run(host: &SshHost, script: &Script) -> String {
    host.run(script).await.unwrap().stdout
}

async fn sh(host: &SshHost, body: &str) -> String {
    run(host, &Script::new("test.sh", body)).await
}

#[tokio::test]
async fn one_holder_at_a_time() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    assert_eq!(run(&host, &lock("take", "ann")).await, "taken\n");
    assert_eq!(run(&host, &lock("take", "ann")).await, "taken\n");
    let held = run(&host, &lock("take", "bob")).await;
    assert!(held.starts_with("held\nann\nprocess of ann\nann's apply\n"), "{held}");
    assert_eq!(held.lines().count(), 6);
    // Who does not hold it cannot give it back.
    assert_eq!(run(&host, &lock("release", "bob")).await, "");
    assert!(run(&host, &lock("take", "bob")).await.starts_with("held\n"));
    assert_eq!(run(&host, &lock("release", "ann")).await, "");
    assert_eq!(sh(&host, "ls /run").await.matches("kubeone").count(), 0);
    assert_eq!(run(&host, &lock("take", "bob")).await, "taken\n");
}

#[tokio::test]
async fn of_many_at_once_one_takes_it() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let holders: Vec<_> = (0..12).map(|number| lock("take", &format!("holder-{number}"))).collect();
    let answers = futures::future::join_all(holders.iter().map(|script| run(&host, script))).await;
    assert_eq!(answers.iter().filter(|answer| *answer == "taken\n").count(), 1, "{answers:?}");
}

#[tokio::test]
async fn the_dead_do_not_keep_it() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    run(&host, &lock("take", "ann")).await;
    // Known to be dead by somebody on the same machine.
    assert_eq!(run(&host, &lock("take", "bob").var("DEAD", "ann")).await, "taken\n");
    // Silent for longer than a lock lives: the last line is when it was renewed.
    sh(&host, "sed -i '$s/.*/-61/' /run/kubeone.lock").await;
    assert_eq!(run(&host, &lock("take", "cid")).await, "taken\n");
    let held = run(&host, &lock("take", "ann")).await;
    assert!(held.starts_with("held\ncid\n"), "{held}");
}

/// By the same rule as in the engine, however a marker is written; a damaged one is no word against us.
#[tokio::test]
async fn markers_are_read_as_the_engine_reads_them() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    sh(&host, "mkdir /run/etc-kubeone").await;
    for (marker, answer) in [
        (r#"{"cluster":"prod","uid":"1-2-3"}"#, "taken\n"),
        (r#"{"uid":"1-2-3","restored":"2026-01-01T00:00:00Z \"cluster\":\"other\"","cluster" : "prod"}"#, "taken\n"),
        (r#"{"cluster":"other","uid":"1-2-3"}"#, "foreign\n"),
        (r#"{"cluster":"prod","uid":"9-9-9"}"#, "foreign\n"),
        (r#"{"cluster":"prod","uid":"9-9-9","replaces":"1-2-3"}"#, "taken\n"),
        (r#"{"cluster":"prod","uid":"9-9-9","replaces":"4-5-6"}"#, "foreign\n"),
        ("", "taken\n"),
        (r#"{"cluster":"pr"#, "taken\n"),
        ("gibberish", "taken\n"),
    ] {
        sh(&host, &format!("rm -f /run/kubeone.lock; printf %s '{marker}' >/run/etc-kubeone/cluster.json")).await;
        assert_eq!(run(&host, &lock("take", "ann")).await, answer, "{marker}");
    }
}

#[tokio::test]
async fn hosts_of_others_are_left_alone() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    sh(&host, "mkdir /run/etc-kubeone").await;
    let marker = |cluster: &str, uid: &str| {
        format!(
            "printf '{{\\n  \"cluster\": \"{cluster}\",\\n  \"uid\": \"{uid}\"\\n}}\\n' >/run/etc-kubeone/cluster.json"
        )
    };
    for (cluster, uid, answer) in
        [("prod-2", "1-2-3", "foreign\n"), ("prod", "9-9-9", "foreign\n"), ("prod", "1-2-3", "taken\n")]
    {
        sh(&host, &marker(cluster, uid)).await;
        assert_eq!(run(&host, &lock("take", "ann")).await, answer, "{cluster} {uid}");
        let exists = sh(&host, "if [[ -e /run/kubeone.lock ]]; then echo yes; fi").await;
        assert_eq!(exists.is_empty(), answer == "foreign\n");
    }
}
