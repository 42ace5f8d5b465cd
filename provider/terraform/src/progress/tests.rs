//! What is left in the folder after a change that succeeds, fails, or is dropped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::{Expect, expect};
use kubeone_engine::{ActionReport, ActionResult, Outcome, StepError};
use kubeone_hosts::{HostError, ScriptFailure};
use kubeone_plan::{Action, Stage};
use kubeone_spec::{ClusterSpec, Role};
use tempfile::TempDir;

use super::*;
use crate::decode::decode;
use crate::model::CLUSTER;

fn prepare(host: &str) -> Action {
    Action::PrepareHost {
        host: host.to_owned(),
        role: Role::Worker,
        kubernetes_version: "1.35.4".parse().unwrap(),
        why: Vec::new(),
    }
}

fn plan() -> Plan {
    let join = Action::JoinWorker { host: "w-1".to_owned(), resume: None };
    let wait = Action::AwaitNodes { hosts: vec!["w-1".to_owned()] };
    Plan {
        stages: vec![
            Stage { title: "join nodes".to_owned(), lanes: vec![vec![prepare("w-1"), join], vec![prepare("cp-1")]] },
            Stage { title: "wait".to_owned(), lanes: vec![vec![wait]] },
        ],
    }
}

fn report(action: &Action, result: ActionResult) -> ActionReport {
    let (began, ended) = (Duration::ZERO, Duration::from_millis(1500));
    ActionReport { action: action.clone(), stage: 0, began, ended, result }
}

/// The change of [`plan`], in a folder of its own: the first action is done, the second fails.
fn half_a_run(folder: &Path) -> Watch {
    let spec = decode::<ClusterSpec>(&CLUSTER, &crate::testing::config()).unwrap().settings;
    let progress = Progress::new(ProgressEnvironment { wish: Some(folder.to_owned()), home: None });
    let (plan, wanted) = (plan(), Wanted::new(spec));
    let watch = progress.begin("create", &wanted, &Observed::default(), &plan, &Diagnostics::new());
    let actions: Vec<_> = plan.actions().cloned().collect();
    watch.hear(Event::StageBegan { number: 1, of: 2, title: "join nodes" });
    watch.hear(Event::ActionBegan { number: 1, action: &actions[0] });
    let done = report(&actions[0], ActionResult::Ended(Outcome::Done));
    watch.hear(Event::ActionEnded { number: 1, report: &done, error: None });
    watch.hear(Event::ActionBegan { number: 2, action: &actions[1] });
    let error = StepError::Host(HostError::Script(Box::new(ScriptFailure {
        host: "w-1".to_owned(),
        script: "os/linux/kubeadm_join.sh".to_owned(),
        line: Some(31),
        exit_code: Some(1),
        signal: None,
        last_lines: vec!["[preflight] checks".to_owned(), "error: no route".to_owned()],
    })));
    let failed = report(&actions[1], ActionResult::Failed);
    watch.hear(Event::ActionEnded { number: 2, report: &failed, error: Some(&error) });
    watch
}

#[cfg(unix)]
#[test]
fn only_their_owner_reads_logs_and_reports() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TempDir::new().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = home.path().join("runs/prod");
    drop(half_a_run(&folder));
    for (path, expected) in [(home.path().join("runs"), 0o700), (folder.clone(), 0o700)] {
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
    assert_eq!((mode(&file(&folder, "jsonl")), mode(&file(&folder, "html"))), (0o600, 0o600));

    // A shared folder stays shared; what is in it does not become so.
    let shared = home.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(half_a_run(&shared));
    assert_eq!((mode(&shared), mode(&file(&shared, "jsonl")), mode(&file(&shared, "html"))), (0o755, 0o600, 0o600));
}

#[cfg(unix)]
#[test]
fn a_draft_of_the_report_that_others_may_read_is_not_written_into() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.html");
    let course = Course::begin(&samples::succeeded(1, 1)[0]).unwrap();
    std::fs::write(folder.path().join("x.html.new"), "old").unwrap();
    let link = folder.path().join("elsewhere");
    std::fs::hard_link(folder.path().join("x.html.new"), &link).unwrap();
    report::write(&course, Timestamp::now(), &path).unwrap();
    assert_eq!(std::fs::read_to_string(link).unwrap(), "old");
}

/// The one file with this ending in a folder.
fn file(folder: &Path, ending: &str) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

/// The log, without what differs from run to run.
fn log(folder: &Path) -> String {
    let text = std::fs::read_to_string(file(folder, "jsonl")).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
        assert!(line["seconds"].as_f64().unwrap() < 60.0);
        line.as_object_mut()
            .unwrap()
            .retain(|name, _| !["time", "seconds", "provider_version"].contains(&name.as_str()));
        format!("{line}\n")
    });
    lines.collect()
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(text);
}

#[test]
fn programs_can_follow_the_log() {
    let folder = TempDir::new().unwrap();
    let watch = half_a_run(folder.path());
    let mut said = Diagnostics::new();
    said.error("cluster `prod` was not created", "w-1: join worker failed.");
    watch.end(false, &mut said);
    assert_eq!(said.iter().count(), 1);
    let name = file(folder.path(), "jsonl").file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("prod-20") && name.ends_with("Z-create.jsonl"), "{name}");
    check(
        &log(folder.path()),
        &expect![[r#"
        {"event":"run_began","format":1,"cluster":"prod","operation":"create","kubernetes_version":"1.35.4","hosts":[{"name":"cp-1","role":"control_plane","address":"10.0.0.11","operating_system":"","architecture":"","kubelet_version":""},{"name":"w-1","role":"worker","address":"10.0.0.21","operating_system":"","architecture":"","kubelet_version":""}],"stages":[{"title":"join nodes","actions":[{"number":1,"lane":1,"kind":"prepare_host","host":"w-1","text":"w-1: prepare worker for Kubernetes 1.35.4"},{"number":2,"lane":1,"kind":"join_worker","host":"w-1","text":"w-1: join worker"},{"number":3,"lane":2,"kind":"prepare_host","host":"cp-1","text":"cp-1: prepare worker for Kubernetes 1.35.4"}]},{"title":"wait","actions":[{"number":4,"lane":1,"kind":"await_nodes","text":"cluster: wait until w-1 is ready"}]}],"warnings":[]}
        {"event":"stage_began","stage":1,"of":2,"title":"join nodes"}
        {"event":"action_began","number":1,"kind":"prepare_host","host":"w-1","text":"w-1: prepare worker for Kubernetes 1.35.4"}
        {"event":"action_ended","number":1,"kind":"prepare_host","host":"w-1","text":"w-1: prepare worker for Kubernetes 1.35.4","took":1.5,"outcome":"done"}
        {"event":"action_began","number":2,"kind":"join_worker","host":"w-1","text":"w-1: join worker"}
        {"event":"action_ended","number":2,"kind":"join_worker","host":"w-1","text":"w-1: join worker","took":1.5,"outcome":"failed","failure":{"causes":["the host could not be worked on","[w-1] `os/linux/kubeadm_join.sh:31` failed with exit code 1"],"output":["[preflight] checks","error: no route"]}}
        {"event":"run_ended","outcome":"failed","messages":["cluster `prod` was not created\nw-1: join worker failed."]}
    "#]],
    );
}

/// Programs get the very text back; whoever prints the file on a terminal sees escapes.
#[test]
fn the_log_can_be_printed_on_a_terminal() {
    let folder = TempDir::new().unwrap();
    let hostile = "\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\n{\"event\":\"run_ended\"}";
    let mut said = Diagnostics::new();
    said.error(hostile, "");
    half_a_run(folder.path()).end(false, &mut said);
    let text = std::fs::read_to_string(file(folder.path(), "jsonl")).unwrap();
    assert!(!text.contains(|it: char| it.is_control() && it != '\n' || it == '\u{202e}'), "{text}");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["messages"][0], hostile);
}

#[test]
fn a_change_that_nobody_waited_for_was_interrupted() {
    let folder = TempDir::new().unwrap();
    drop(half_a_run(folder.path()));
    let report = std::fs::read_to_string(file(folder.path(), "html")).unwrap();
    assert!(report.contains("Cluster prod was not created: interrupted after"), "{report}");
    let log = log(folder.path());
    check(log.lines().last().unwrap(), &expect![[r#"{"event":"run_ended","outcome":"interrupted","messages":[]}"#]]);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_warning() {
    let folder = TempDir::new().unwrap();
    let occupied = folder.path().join("file");
    std::fs::write(&occupied, "").unwrap();
    let mut said = Diagnostics::new();
    half_a_run(&occupied).end(false, &mut said);
    let said: Vec<_> = said.iter().collect();
    assert_eq!(said.len(), 1);
    assert!(!said[0].is_error());
    assert!(said[0].detail.contains(occupied.to_str().unwrap()), "{}", said[0].detail);
}
