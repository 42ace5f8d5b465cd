//! Waits until the Kubernetes API answers again.

use std::time::Duration;

use super::unless_cancelled;
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

/// etcd and the API server have given up several times by now, and start one after the other.
const DEADLINE: Duration = Duration::from_mins(5);

pub(crate) async fn run(cx: &Cx<'_>) -> Result<Outcome, StepError> {
    unless_cancelled(cx, cx.cluster().await?.await_api(DEADLINE)).await?;
    Ok(Outcome::Done)
}
