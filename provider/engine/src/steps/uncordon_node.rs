//! Makes a node schedulable again that an interrupted run of ours left cordoned.

use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    cx.cluster().await?.uncordon(name).await?;
    Ok(Outcome::Done)
}
