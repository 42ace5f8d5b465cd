//! Scripts over a connection.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kubeone_hosts::{Host as _, HostError, Script};
use kubeone_spec::SshSettings;

use crate::server::{Server, Wire, connect};

#[tokio::test]
async fn output_and_errors_come_back() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let output = host.run(&Script::new("a.sh", "echo \"$X\"; echo err >&2").var("X", "it's $X")).await.unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("it's $X\n", "err\n"));

    let error = host.run(&Script::new("os/debian/b.sh", "# one\necho why >&2\n(exit 42)")).await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] `os/debian/b.sh:3` failed with exit code 42: why");
    assert!(!error.is_unreachable());
}

#[tokio::test]
async fn a_shell_ended_by_a_signal_is_told_apart() {
    let Some(server) = Server::start() else { return };
    let error = server.host().run(&Script::new("kill.sh", "kill -TERM $$")).await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] `kill.sh` was ended by signal TERM");
}

#[tokio::test]
async fn one_connection_carries_more_scripts_than_the_server_allows_sessions() {
    let Some(server) = Server::start_with("MaxSessions 6") else { return };
    let wire = Wire::to(&server).await;
    let host = connect(&SshSettings { port: wire.port, ..server.settings() });
    let script = Script::new("n.sh", "echo $((20 + 3))");
    for output in join_all((0..60).map(|_| host.run(&script))).await {
        assert_eq!(output.unwrap().stdout, "23\n");
    }
    assert_eq!(wire.connections(), 1);
}

#[tokio::test]
async fn abandoned_scripts_do_not_stand_in_the_way_of_others() {
    let Some(server) = Server::start_with("MaxSessions 6") else { return };
    let host = server.host();
    let (slow, quick) = (Script::new("slow.sh", "sleep 600"), Script::new("quick.sh", "echo done"));
    for _ in 0..4 {
        let slow = join_all((0..5).map(|_| host.run(&slow)));
        assert!(tokio::time::timeout(Duration::from_millis(300), slow).await.is_err());
    }
    assert_eq!(host.run(&quick).await.unwrap().stdout, "done\n");
}

#[tokio::test]
async fn much_output_and_much_input_pass_at_the_same_time() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let value = "x".repeat(3_000_000);
    let output = host.run(&Script::new("big.sh", "printf %s \"$VALUE\"").var("VALUE", &value)).await.unwrap();
    assert!(output.stdout == value);
}

#[tokio::test]
async fn secrets_are_in_no_list_of_processes() {
    let Some(server) = Server::start() else { return };
    let host = Arc::new(server.host());
    let script =
        Script::new("wait.sh", "touch /run/started; until [[ -e /run/go ]]; do sleep 0.05; done; echo \"$TOKEN\"")
            .secret("TOKEN", "s3cr3t-t0ken".to_owned());
    let running = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.run(&script).await }
    });
    host.run(&Script::new("started.sh", "until [[ -e /run/started ]]; do sleep 0.05; done")).await.unwrap();
    let seen: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let arguments = fs::read(path.join("cmdline")).ok()?;
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            Some(String::from_utf8_lossy(&[arguments, environment].concat()).into_owned())
        })
        .collect();
    host.run(&Script::new("go.sh", "touch /run/go")).await.unwrap();
    assert!(seen.iter().any(|process| process.contains("bash\0-s")), "the shell itself must be in the list");
    assert!(!seen.iter().any(|process| process.contains("s3cr3t-t0ken")));
    assert_eq!(running.await.unwrap().unwrap().stdout, "***\n");
}

#[tokio::test]
async fn a_cut_connection_is_an_error_and_the_next_call_connects_again() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(&server).await;
    let host = Arc::new(connect(&SshSettings { port: wire.port, ..server.settings() }));
    let running = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.run(&Script::new("os/debian/long.sh", "touch /run/started; sleep 600")).await }
    });
    host.run(&Script::new("started.sh", "until [[ -e /run/started ]]; do sleep 0.05; done")).await.unwrap();
    wire.cut();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(&error, HostError::ConnectionLost { during, .. } if during == "os/debian/long.sh"), "{error:?}");
    assert!(error.is_unreachable());
    host.run(&Script::new("again.sh", "true")).await.unwrap();
    assert_eq!(wire.connections(), 2);
}

#[tokio::test]
async fn a_connection_lost_while_idle_is_not_noticed() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(&server).await;
    let host = connect(&SshSettings { port: wire.port, ..server.settings() });
    let script = Script::new("x.sh", "echo here");
    for _ in 0..3 {
        assert_eq!(host.run(&script).await.unwrap().stdout, "here\n");
        wire.cut();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_small_scripts_are_quick() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let script = Script::new("x.sh", "true");
    host.run(&script).await.unwrap();
    let begun = Instant::now();
    for _ in 0..200 {
        host.run(&script).await.unwrap();
    }
    let each = begun.elapsed() / 200;
    println!("{each:?} per script");
    assert!(each < Duration::from_millis(100), "{each:?}");
}
