//! How a plan is carried out when everything works, when something fails, and when it is cancelled.

use std::sync::Mutex;

use kubeone_plan::plan::Stage;
use tokio::sync::Barrier;

use super::*;

fn join(host: &str) -> Action {
    Action::JoinWorker { host: host.to_owned(), resume: None }
}

fn stage(title: &str, lanes: &[&[&str]]) -> Stage {
    let lanes = lanes.iter().map(|hosts| hosts.iter().map(|host| join(host)).collect()).collect();
    Stage { title: title.to_owned(), lanes }
}

fn plan() -> Plan {
    Plan { stages: vec![stage("first", &[&["a", "b"], &["c"]]), stage("second", &[&["d"]])] }
}

fn refused() -> StepError {
    StepError::Refused { reason: "the disk is full".to_owned() }
}

fn silent(_: Event<'_>) {}

/// Carries the plan out; the closure says what comes of each action.
async fn try_out(outcome: impl Fn(&str) -> Result<Outcome, StepError>) -> Result<Report, ExecuteError> {
    carry_out(&plan(), &CancellationToken::new(), &silent, async |action| outcome(action.host().unwrap())).await
}

#[tokio::test]
async fn every_action_is_done_and_reported() {
    let report = try_out(|host| match host {
        "c" => Ok(Outcome::Skipped("it is a node already".to_owned())),
        "d" => Ok(Outcome::Warning("it has little memory".to_owned())),
        _ => Ok(Outcome::Done),
    })
    .await
    .unwrap();
    let mut done = report.done();
    done.sort();
    assert_eq!(done, ["a: join worker", "b: join worker", "c: join worker", "d: join worker"]);
    assert_eq!(report.warnings(), ["d: join worker: it has little memory"]);
    assert!(report.actions.iter().all(|entry| entry.began <= entry.ended));
}

#[tokio::test]
async fn lanes_run_side_by_side() {
    let both = Barrier::new(2);
    let plan = Plan { stages: vec![stage("only", &[&["a"], &["b"]])] };
    let run = async |_: &Action| {
        both.wait().await;
        Ok(Outcome::Done)
    };
    assert_eq!(carry_out(&plan, &CancellationToken::new(), &silent, run).await.unwrap().actions.len(), 2);
}

#[tokio::test]
async fn after_a_failure_siblings_end_and_no_stage_begins() {
    let error = try_out(|host| if host == "a" { Err(refused()) } else { Ok(Outcome::Done) }).await.unwrap_err();
    assert_eq!(error.to_string(), "stage 1 of 2 (`first`): a: join worker failed");
    assert_eq!(error.report.done(), ["c: join worker"]);
    assert_eq!(error.not_begun, 2);
    assert!(!error.is_cancelled());
    assert_eq!(
        error.detail(),
        "a: join worker\n  caused by: the disk is full\nDone already:\n  c: join worker\n2 more actions were not \
         begun.\nThe next apply looks at all hosts again, leaves alone what is done, and goes on from there."
    );
}

#[tokio::test]
async fn each_failure_of_a_stage_is_told() {
    let error = try_out(|_| Err(refused())).await.unwrap_err();
    assert_eq!(error.to_string(), "stage 1 of 2 (`first`): a: join worker failed, and 1 more");
    assert_eq!(error.failures.len(), 2);
    assert!(error.detail().contains("Nothing is done yet."));
}

#[tokio::test]
async fn a_cancelled_run_stops_between_actions() {
    let cancel = CancellationToken::new();
    let run = async |action: &Action| {
        if action.host() == Some("a") {
            cancel.cancel();
        }
        Ok(Outcome::Done)
    };
    let error = carry_out(&plan(), &cancel, &silent, run).await.unwrap_err();
    assert_eq!(error.to_string(), "stage 1 of 2 (`first`): cancelled");
    assert!(error.is_cancelled());
    assert_eq!(error.report.done(), ["a: join worker"]);
}

#[tokio::test]
async fn a_run_cancelled_during_its_last_action_is_done() {
    let cancel = CancellationToken::new();
    let plan = Plan { stages: vec![stage("only", &[&["a"]])] };
    let run = async |_: &Action| {
        cancel.cancel();
        Ok(Outcome::Done)
    };
    assert!(carry_out(&plan, &cancel, &silent, run).await.is_ok());
}

#[tokio::test]
async fn whoever_watches_is_told_in_order() {
    let told = Mutex::new(Vec::new());
    let listener = |event: Event<'_>| {
        told.lock().unwrap().push(match event {
            Event::StageBegan { number, of, title } => format!("stage {number} of {of}: {title}"),
            Event::ActionBegan { number, action } => format!("{number} begins {action}"),
            Event::ActionEnded { number, report, error: None } => format!("{number} ended {}", report.action),
            Event::ActionEnded { number, report, error: Some(error) } => {
                format!("{number} failed {}: {error}", report.action)
            }
        });
    };
    let run = async |action: &Action| if action.host() == Some("d") { Err(refused()) } else { Ok(Outcome::Done) };
    carry_out(&plan(), &CancellationToken::new(), &listener, run).await.unwrap_err();
    let told = told.into_inner().unwrap();
    assert_eq!(
        told,
        [
            "stage 1 of 2: first",
            "1 begins a: join worker",
            "1 ended a: join worker",
            "2 begins b: join worker",
            "2 ended b: join worker",
            "3 begins c: join worker",
            "3 ended c: join worker",
            "stage 2 of 2: second",
            "4 begins d: join worker",
            "4 failed d: join worker: the disk is full",
        ]
    );
}
