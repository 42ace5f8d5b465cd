//! What users read when a change does not come to its end, and when it takes too long.

use std::time::Duration;

use expect_test::{Expect, expect};
use kubeone_engine::{ActionFailure, ActionReport, ActionResult, Outcome, Report, StepError};
use kubeone_plan::Action;
use kubeone_spec::Role;
use tfplugin::Severity;

use super::*;
use crate::decode::decode;
use crate::model::CLUSTER;

fn spec() -> ClusterSpec {
    decode(&CLUSTER, &crate::testing::config()).unwrap().settings
}

fn interrupted_by(source: StepError) -> ExecuteError {
    let prepared = Action::PrepareHost {
        host: "w-1".to_owned(),
        role: Role::Worker,
        kubernetes_version: "1.35.4".parse().unwrap(),
        why: Vec::new(),
    };
    let done = ActionReport {
        action: prepared,
        stage: 0,
        began: Duration::ZERO,
        ended: Duration::from_secs(9),
        result: ActionResult::Ended(Outcome::Done),
    };
    let failed = Action::JoinWorker { host: "w-1".to_owned(), resume: None };
    ExecuteError {
        stage: 2,
        stages: 3,
        title: "join nodes and apply addons".to_owned(),
        failures: vec![ActionFailure { action: failed, source }],
        report: Report { actions: vec![done] },
        not_begun: 1,
    }
}

#[track_caller]
fn check(diagnostics: impl IntoIterator<Item = Diagnostic>, expected: &Expect) {
    let text = diagnostics.into_iter().map(|it| {
        assert_eq!(it.severity, Severity::Error);
        format!("{}\n\n{}\n", it.summary, it.detail)
    });
    expected.assert_eq(&text.collect::<Vec<_>>().join("--\n"));
}

#[test]
fn a_failure_tells_the_whole_story() {
    let spec = spec();
    let error = interrupted_by(StepError::Refused { reason: "the disk is full".to_owned() });
    check(
        [Operation::create(&spec).failure(&error)],
        &expect![[r"
            cluster `prod` was not created

            Failed in stage 2 of 3 (`join nodes and apply addons`): w-1: join worker failed.

            w-1: join worker
              caused by: the disk is full
            Done already:
              w-1: prepare worker for Kubernetes 1.35.4
            1 more actions were not begun.
            The next apply looks at all hosts again, leaves alone what is done, and goes on from there.
        "]],
    );
}

#[test]
fn an_interruption_is_no_failure() {
    let spec = spec();
    let diagnostic = Operation::update(&spec).failure(&interrupted_by(StepError::Cancelled));
    assert_eq!(diagnostic.summary, "cluster `prod` was not updated");
    assert!(diagnostic.detail.starts_with("Interrupted in stage 2 of 3 (`join nodes and apply addons`).\n"));
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_too_long_is_cancelled_and_may_still_tell_what_it_did() {
    let spec = spec();
    let cancel = CancellationToken::new();
    let work = async {
        cancel.cancelled().await;
        Err::<(), _>(Diagnostics::from(Diagnostic::error("stopped", "between two actions")))
    };
    let diagnostics = Operation::delete(&spec).run(&cancel, work).await.unwrap_err();
    check(
        diagnostics,
        &expect![[r"
            stopped

            between two actions
            --
            cluster `prod` was not destroyed

            It took longer than 30m. Give it more time with `timeouts.delete` if it needs it. The next apply looks at all hosts again, leaves alone what is done, and goes on from there.
        "]],
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_stop_is_left() {
    let spec = spec();
    let cancel = CancellationToken::new();
    let diagnostics = Operation::create(&spec).run(&cancel, std::future::pending::<Result<(), _>>()).await.unwrap_err();
    assert_eq!(diagnostics.iter().count(), 1);
}
