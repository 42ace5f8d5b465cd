//! Long steps that outlive the connection.

use std::sync::Arc;

use kubeone_hosts::{Host as _, HostError, Script, SshHost};
use kubeone_spec::SshSettings;

use crate::server::{Server, Wire, connect};

const UNIT: &str = "kubeone-test";

/// Waits in the unit until the test says go, and counts how often it ran.
fn slow(secret: &str) -> Script {
    let body =
        "echo ran >>/run/ran\ntouch /run/started\nuntil [[ -e /run/go ]]; do sleep 0.02; done\necho \"token $TOKEN\"";
    Script::new("os/debian/slow.sh", body).secret("TOKEN", secret.to_owned())
}

async fn sh(host: &SshHost, body: &str) -> String {
    host.run(&Script::new("test.sh", body)).await.unwrap().stdout
}

async fn until_started(host: &SshHost) {
    sh(host, "until [[ -e /run/started ]]; do sleep 0.02; done").await;
}

#[tokio::test]
async fn a_unit_gives_its_output_and_leaves_nothing() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    sh(&host, "touch /run/go").await;
    let output = host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await.unwrap();
    assert_eq!(output.stdout, "token ***\n");
    assert_eq!(sh(&host, "ls -A /run/kubeone").await, "kubeone-test.lock\n");
    let started = sh(&host, "cat /run/systemd-run.log").await;
    assert!(started.contains("--unit=kubeone-test --description=kubeone: os/debian/slow.sh"), "{started}");
    assert!(!started.contains("t0ken"), "{started}");
}

#[tokio::test]
async fn a_failed_unit_names_line_and_code_and_runs_again_next_time() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let script = Script::new("os/debian/bad.sh", "echo ran >>/run/ran\necho on stdout\n(exit 9)");
    for times in 1..=2 {
        let error = host.run_unit(UNIT, &script).await.unwrap_err();
        assert_eq!(error.to_string(), "[cp-1] `os/debian/bad.sh:3` failed with exit code 9: on stdout");
        assert_eq!(sh(&host, "wc -l </run/ran").await.trim(), times.to_string());
    }
    assert!(host.attach_unit(UNIT).await.unwrap().is_none());
}

#[tokio::test]
async fn a_lost_connection_does_not_disturb_the_unit() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(&server).await;
    let host = Arc::new(connect(&SshSettings { port: wire.port, ..server.settings() }));
    let running = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await }
    });
    until_started(&host).await;
    wire.cut();
    sh(&server.host(), "touch /run/go").await;
    assert_eq!(running.await.unwrap().unwrap().stdout, "token ***\n");
    assert_eq!(sh(&host, "cat /run/ran").await, "ran\n");
}

#[tokio::test]
async fn another_program_finds_the_unit_and_takes_its_result() {
    let Some(server) = Server::start() else { return };
    let first = Arc::new(server.host());
    let running = tokio::spawn({
        let host = Arc::clone(&first);
        async move { host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await }
    });
    until_started(&first).await;
    running.abort();

    let second = Arc::new(server.host());
    let attached = tokio::spawn({
        let host = Arc::clone(&second);
        async move { host.attach_unit(UNIT).await }
    });
    let secret_files = sh(&second, "stat -c '%a' /run/kubeone/kubeone-test /run/kubeone/kubeone-test/script").await;
    assert_eq!(secret_files, "700\n600\n");
    sh(&second, "touch /run/go").await;
    let output = attached.await.unwrap().unwrap().unwrap();
    assert!(output.stdout.starts_with("token "), "{output:?}");
    assert!(second.attach_unit(UNIT).await.unwrap().is_none(), "the result is taken once");
    assert_eq!(sh(&second, "cat /run/ran").await, "ran\n");
}

#[tokio::test]
async fn the_same_script_joins_the_running_unit_and_another_one_waits_for_it() {
    let Some(server) = Server::start() else { return };
    let first = Arc::new(server.host());
    let running = tokio::spawn({
        let host = Arc::clone(&first);
        async move { host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await }
    });
    until_started(&first).await;
    running.abort();
    let _ = running.await;
    drop(first);

    let second = Arc::new(server.host());
    let same = tokio::spawn({
        let host = Arc::clone(&second);
        async move { host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await }
    });
    // Two wait: the one whose connection is gone, and the second one, which has seen that the unit runs.
    let waiting = "until [[ $(grep -lsz '^flock$' /proc/[0-9]*/cmdline | wc -l) -ge 2 ]]; do sleep 0.02; done";
    sh(&second, &format!("{waiting}; touch /run/go")).await;
    assert_eq!(same.await.unwrap().unwrap().stdout, "token ***\n");
    assert_eq!(sh(&second, "cat /run/ran").await, "ran\n");
    assert_eq!(second.run_unit(UNIT, &slow("another")).await.unwrap().stdout, "token ***\n");
    assert_eq!(sh(&second, "cat /run/ran").await, "ran\nran\n");
}

#[tokio::test]
async fn a_killed_unit_is_told_apart() {
    let Some(server) = Server::start() else { return };
    let host = Arc::new(server.host());
    let running = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.run_unit(UNIT, &slow("s3cr3t-t0ken")).await }
    });
    until_started(&host).await;
    sh(&host, "pkill -9 -f kubeone-test/wrapper").await;
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, HostError::UnitVanished { .. }), "{error:?}");
    assert_eq!(sh(&host, "ls -A /run/kubeone").await, "kubeone-test.lock\n");
}

/// One round of waiting, as the script goes through it; the unit's own script is empty and waits for the test's word.
fn round(run_id: &str, seen: &str, resume: bool) -> Script {
    let wait = "until [[ -e /run/go ]]; do sleep 0.02; done\nbash script";
    Script::new("unit/run.sh", include_str!("../../src/unit/run.sh"))
        .functions(include_str!("../../os/linux/functions/in_memory.sh"))
        .var("UNIT", UNIT)
        .var("ACTION", if run_id.is_empty() { "attach" } else { "run" })
        .var("RUN_ID", run_id)
        .var("SEEN", seen)
        .var("RESUME", resume)
        .var("PATIENCE", 1)
        .var("MOST_OF_LOG", 1000)
        .var("NAME", "a.sh")
        .var("DIGEST", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        .var("WRAPPER", include_str!("../../src/unit/wrapper.sh").replace("bash script", wait))
}

#[tokio::test]
async fn a_round_ends_before_the_unit_does_and_the_next_one_goes_on() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let say = async |script: Script| host.run(&script).await.unwrap().stdout;
    assert_eq!(say(round("aa", "", false)).await, "runs\n");
    assert_eq!(say(round("aa", "", true)).await, "runs\n");
    assert_eq!(say(round("bb", "", false)).await, "waits aa\n");
    assert_eq!(say(round("", "", false)).await, "waits aa\n");
    sh(&host, "touch /run/go").await;
    assert_eq!(say(round("aa", "", true)).await, "aa 0 a.sh\n");
    // It did the other's work while that waited, if that was told of it in an earlier round.
    assert_eq!(say(round("bb", "aa", false)).await, "aa 0 a.sh\n");
    assert_eq!(say(round("", "", false)).await, "aa 0 a.sh\n");
    assert_eq!(say(round("bb", "", false)).await, "bb 0 a.sh\n");
    assert_eq!(sh(&host, "cat /run/systemd-run.log | wc -l").await.trim(), "2");
}

#[tokio::test]
async fn of_a_long_log_the_end_comes_back() {
    let Some(server) = Server::start() else { return };
    let script = Script::new("os/debian/long.sh", "seq 1 1000000");
    let printed = server.host().run_unit(UNIT, &script).await.unwrap().stdout;
    assert!(printed.ends_with("999999\n1000000\n"));
    assert!(printed.len() <= 1 << 20, "{}", printed.len());
}
