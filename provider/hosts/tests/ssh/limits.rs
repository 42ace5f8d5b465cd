//! Hosts that say too much, or nothing in time.

use std::fs;
use std::time::{Duration, Instant};

use kubeone_hosts::{AnswerProblem, Host as _, HostError, Script};

use crate::server::Server;

/// Prints 700 MiB.
const FLOOD: &str = "head -c 734003200 /dev/zero | tr '\\0' x";

/// Most memory this process ever had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[track_caller]
fn problem(error: &HostError) -> &AnswerProblem {
    let HostError::Answer { problem, .. } = error else { panic!("{error:?}") };
    assert!(!error.is_unreachable(), "the host is there");
    problem
}

#[tokio::test]
async fn a_flood_is_cut_off_and_takes_no_memory() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    host.run(&Script::new("quick.sh", "true")).await.unwrap();
    let (began, before) = (Instant::now(), peak());
    let error = host.run(&Script::new("flood.sh", FLOOD)).await.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] unusable answer of `flood.sh`: it printed more than 4194304 bytes on stdout");
    println!("cut off after {:?}; peak of memory {before} MiB before, {} MiB after", began.elapsed(), peak());
    // Tests beside this one need some as well. All of the flood would be 700.
    assert!(peak() - before < 150, "{before} MiB before, {} MiB after", peak());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(host.run(&Script::new("quick.sh", "echo fine")).await.unwrap().stdout, "fine\n");
}

#[tokio::test]
async fn a_flood_on_stderr_or_before_the_script_is_cut_off_too() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let error = host.run(&Script::new("flood.sh", format!("{{ {FLOOD}; }} >&2"))).await.unwrap_err();
    assert!(matches!(problem(&error), AnswerProblem::TooLong { stream: "stderr", .. }), "{error}");
    // What bash reads before anything else when its input is a network connection.
    fs::write(server.path("home/.bashrc"), FLOOD).unwrap();
    let error = host.run(&Script::new("quick.sh", "true")).await.unwrap_err();
    assert!(matches!(problem(&error), AnswerProblem::TooMuchNoise { stream: "stdout", .. }), "{error}");
}

#[tokio::test]
async fn the_end_of_a_long_stderr_says_why() {
    let Some(server) = Server::start() else { return };
    let script = Script::new("long.sh", "seq 1 500000 >&2\necho why >&2\nexit 3");
    let error = server.host().run(&script).await.unwrap_err().to_string();
    assert!(error.starts_with("[cp-1] `long.sh` failed with exit code 3") && error.ends_with("  why"), "{error}");
    assert!(error.len() < 1000, "{error}");
}

#[tokio::test]
async fn a_script_that_hangs_is_named_and_others_go_on() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let hangs = Script::new("hang.sh", "sleep 600").within(Duration::from_secs(1));
    let slow = Script::new("other.sh", "sleep 2; echo done");
    let (error, other) = tokio::join!(host.run(&hangs), host.run(&slow));
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "[cp-1] unusable answer of `hang.sh`: it was not done within 1 s");
    assert_eq!(problem(&error), &AnswerProblem::Late(Duration::from_secs(1)));
    assert_eq!(other.unwrap().stdout, "done\n");
}

#[tokio::test]
async fn files_that_have_no_end_are_not_read() {
    let Some(server) = Server::start() else { return };
    let host = server.host();
    let prepare = "mkdir /run/f; head -c 1048577 /dev/zero >/run/f/large; head -c 1048576 /dev/zero >/run/f/fits
mkfifo /run/f/pipe; ln -s nowhere /run/f/dangling; ln -s /dev/zero /run/f/device";
    host.run(&Script::new("prepare.sh", prepare)).await.unwrap();
    let content = host.read("/run/f/fits".as_ref()).await.unwrap().unwrap();
    assert_eq!(content.expose().len(), 1 << 20);
    for (file, why) in [
        ("large", "`/run/f/large`: it has 1048577 bytes, at most 1048576 are read"),
        ("pipe", "`/run/f/pipe`: it is there, and no file"),
        ("dangling", "`/run/f/dangling`: it is there, and no file"),
        ("device", "`/run/f/device`: it is there, and no file"),
    ] {
        let error = host.read(format!("/run/f/{file}").as_ref()).await.unwrap_err();
        assert_eq!(problem(&error).to_string(), why);
    }
    assert!(host.read("/run/f/absent".as_ref()).await.unwrap().is_none());
}
