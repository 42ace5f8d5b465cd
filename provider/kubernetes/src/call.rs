//! One call to the API, repeated while the answer is a passing one.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::{ClusterError, causes::causes, connection::UnusableAnswer};

/// How long a single call may take, with the repetitions that a restarting API server or etcd election needs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Requests on their way at one time. They share one connection; more than this only fills the API server's queue.
pub(crate) const AT_ONCE: usize = 16;

/// Between two tries. An API server that restarts, or an etcd that elects a leader, is back within a few of them.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a refusal for want of rights may be a passing one: an API server that has just started, as after a restore of
/// etcd, serves before it knows the roles of anybody.
const ROLES_KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Asks until the API gives a lasting answer or `patience` is over. Only for calls that may be sent twice.
///
/// A closure that returns a future, and not an async closure: whether the future of one can move between threads cannot
/// be told to the compiler yet.
pub(crate) async fn ask<T, F>(
    act: impl Into<String>,
    patience: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let act = act.into();
    let began = Instant::now();
    let deadline = began + patience;
    let may_pass = |error: &kube::Error| passes(error) || forbids(error) && began.elapsed() < ROLES_KNOWN_WITHIN;
    let mut last = None;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout_at(deadline, call()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if may_pass(&error) && Instant::now() + PAUSE < deadline => {
                tracing::debug!(act, reason = causes(&error), "asking the API again");
                last = Some(error);
            }
            Ok(Err(error)) => return Err(ClusterError::from_answer(act, &error)),
            Err(_) => {
                return Err(last.map_or_else(
                    || ClusterError::Unreachable { act: act.clone(), reason: format!("no answer within {patience:?}") },
                    |error| ClusterError::from_answer(act.clone(), &error),
                ));
            }
        }
    }
}

/// Whether the same call may well succeed in a moment: no connection, an overloaded or restarting server, etcd between
/// two leaders (which the API server reports with status 500).
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            matches!(status.code, 429 | 502 | 503 | 504) || (status.code == 500 && status.message.contains("etcd"))
        }
        kube::Error::Service(error) => !error.is::<UnusableAnswer>(),
        kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

fn forbids(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    fn refusal(code: u16, message: &str) -> serde_json::Value {
        let reason = if code == 403 { "Forbidden" } else { "Other" };
        json!({ "kind": "Status", "status": "Failure", "code": code, "message": message, "reason": reason })
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_refusal_is_asked_again() {
        let api = FakeApi::new();
        api.expect("GET /version", 503, &refusal(503, "starting"))
            .expect("GET /version", 500, &refusal(500, "etcdserver: leader changed"))
            .expect(
                "GET /version",
                200,
                &json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
            );
        assert_eq!(api.cluster().version(Duration::from_secs(5)).await.unwrap(), "v1.36.3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_refusal_is_told_at_once() {
        let api = FakeApi::new();
        api.expect("GET /version", 422, &refusal(422, "no"));
        let error = api.cluster().version(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.to_string(), "read the version: the Kubernetes API refused with status 422: no");
    }

    #[tokio::test(start_paused = true)]
    async fn roles_are_known_a_moment_after_an_api_server_has_started() {
        let api = FakeApi::new();
        for _ in 0..20 {
            api.expect("GET /version", 403, &refusal(403, "no"));
        }
        api.expect("GET /version", 422, &refusal(422, "asked again"));
        let error = api.cluster().version(Duration::from_mins(1)).await.unwrap_err();
        assert!(error.to_string().ends_with("asked again"), "{error}");
        // The clock of the test stands still but for the pauses.
        for _ in 0..=50 {
            api.expect("GET /version", 403, &refusal(403, "no"));
        }
        let error = api.cluster().version(Duration::from_mins(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "read the version: the Kubernetes API forbids it: no");
        assert!(error.hint().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_the_last_refusal() {
        let api = FakeApi::new();
        for _ in 0..3 {
            api.expect("GET /version", 503, &refusal(503, "starting"));
        }
        let error = api.cluster().version(Duration::from_millis(500)).await.unwrap_err();
        assert!(error.to_string().ends_with("refused with status 503: starting"), "{error}");
    }
}
