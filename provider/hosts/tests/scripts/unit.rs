//! Long steps as units, with a stand-in for systemd-run that runs them at once.

use kubeone_hosts::{Host as _, HostError, Script};

use crate::sandbox::Sandbox;

fn host() -> Sandbox {
    let host = Sandbox::new();
    host.fake(
        "systemd-run",
        "while [[ $1 == --* ]]; do shift; done\nsetsid \"$@\" </dev/null >/dev/null 2>&1 7>&- 8>&- 9>&- &",
    );
    host
}

fn step(body: &str) -> Script {
    Script::new("os/linux/x.sh", body).secret("TOKEN", "hunter22".to_owned())
}

#[tokio::test]
async fn a_unit_answers_what_it_printed_and_leaves_nothing() {
    let host = host();
    let step = step("echo \"token $TOKEN\"; stat --format '%a' /run/kubeone /run/kubeone/*/script");
    let output = host.run_unit("kubeone-x", &step).await.unwrap();
    assert_eq!(output.stdout, "token ***\n700\n600\n");
    assert_eq!(host.tree("/run/kubeone"), ["kubeone-x.lock"]);
    assert_eq!(host.mode("/run/kubeone"), "700");
    let call = &host.calls_of("systemd-run")[0];
    for option in [
        "--collect",
        "--unit=kubeone-x",
        "--service-type=exec",
        "--property=KillMode=mixed",
        "--property=TimeoutStopSec=",
    ] {
        assert!(call.contains(option), "{option}: {call}");
    }
    assert!(!call.contains("hunter22"));
    assert!(host.attach_unit("kubeone-x").await.unwrap().is_none());
}

#[tokio::test]
async fn a_script_with_secrets_is_gone_before_its_result_is_read() {
    let host = host();
    // What lies in the folder of the unit when the result was read.
    host.fake(
        "rm",
        r#"if [[ $* == *' /run/kubeone/kubeone-x' && -d /run/kubeone/kubeone-x ]]; then ls /run/kubeone/kubeone-x >>/fakes/left; fi
        exec /usr/bin/rm "$@""#,
    );
    host.run_unit("kubeone-x", &step("echo \"token $TOKEN\"")).await.unwrap();
    let left = host.read("/fakes/left").unwrap();
    assert!(left.lines().any(|name| name == "exit") && !left.lines().any(|name| name == "script"), "{left}");
    host.run_unit("kubeone-x", &step("exit 7")).await.unwrap_err();
    let left = host.read("/fakes/left").unwrap();
    assert!(left.lines().filter(|name| *name == "exit").count() == 2 && !left.contains("script"), "{left}");
}

#[tokio::test]
async fn a_unit_writes_no_secret_to_where_a_link_leads() {
    let host = host();
    host.file("/tmp/trap/x", "");
    std::os::unix::fs::symlink("/tmp/trap", host.path("/run/kubeone")).unwrap();
    let error = host.run_unit("kubeone-x", &step("true")).await.unwrap_err();
    assert!(error.to_string().contains("/run/kubeone is a link, or not owned by root"), "{error}");
    assert_eq!(host.tree("/tmp/trap"), ["x"]);
    assert_eq!(host.calls_of("systemd-run"), Vec::<String>::new());
}

#[tokio::test]
async fn a_unit_that_fails_says_with_which_code() {
    let host = host();
    let error = host.run_unit("kubeone-x", &step("echo before; exit 7")).await.unwrap_err();
    let HostError::Script(failure) = &error else { panic!("{error}") };
    assert_eq!((failure.exit_code, failure.last_lines.clone()), (Some(7), vec!["before".to_owned()]));
    // It runs again the next time.
    host.run_unit("kubeone-x", &step("true")).await.unwrap();
}

#[tokio::test]
async fn the_result_of_an_earlier_run_is_taken_once_and_not_for_another_script() {
    let host = host();
    let folder = "/run/kubeone/kubeone-x";
    for (name, content) in
        [("run-id", "old"), ("name", "os/linux/y.sh"), ("log", "did it\n"), ("exit", "0"), ("digest", "x")]
    {
        host.file(&format!("{folder}/{name}"), content);
    }
    let output = host.run_unit("kubeone-x", &step("echo anew")).await.unwrap();
    assert_eq!(output.stdout, "anew\n");

    for (name, content) in
        [("run-id", "old"), ("name", "os/linux/y.sh"), ("log", "did it\n"), ("exit", "0"), ("digest", "x")]
    {
        host.file(&format!("{folder}/{name}"), content);
    }
    assert_eq!(host.attach_unit("kubeone-x").await.unwrap().unwrap().stdout, "did it\n");
    assert!(host.attach_unit("kubeone-x").await.unwrap().is_none(), "it was read");
    // One that was killed has no result.
    host.file(&format!("{folder}/run-id"), "old").file(&format!("{folder}/name"), "y");
    assert!(host.attach_unit("kubeone-x").await.unwrap().is_none());
}

#[tokio::test]
async fn a_unit_that_cannot_be_started_says_why() {
    let host = host();
    host.fake("systemd-run", "echo 'Unit kubeone-x.service was already loaded.' >&2; exit 1");
    let error = host.run_unit("kubeone-x", &step("true")).await.unwrap_err();
    assert!(error.to_string().contains("already loaded"), "{error}");
    assert!(!host.exists("/run/kubeone/kubeone-x/script"));
}

#[tokio::test]
async fn files_are_read_and_absent_ones_told_apart() {
    let host = Sandbox::new();
    host.file("/etc/a b", "x\ny").file("/etc/empty", "");
    let paths = ["/etc/a b", "/etc/none", "/etc/empty"].map(std::path::Path::new);
    let read = host.read_all(&paths).await.unwrap();
    let contents: Vec<_> = read.iter().map(|it| it.as_ref().map(|it| it.expose().clone())).collect();
    assert_eq!(contents, [Some(b"x\ny".to_vec()), None, Some(Vec::new())]);
    let part = |offset, length| host.read_part(paths[0], offset, length);
    assert_eq!(part(1, 10).await.unwrap().expose(), b"\ny");
    assert_eq!(part(0, 2).await.unwrap().expose(), b"x\n");
    assert_eq!(part(9, 2).await.unwrap().expose(), b"");
}
