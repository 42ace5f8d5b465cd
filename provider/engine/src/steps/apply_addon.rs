//! Applies an addon. Whether it runs is awaited together with the nodes it runs on.

use kubeone_desired::addons;

use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>, addon: &str) -> Result<Outcome, StepError> {
    let rendered = addons::render(cx.spec, addon)?;
    cx.cluster().await?.apply_addon(&rendered).await?;
    Ok(Outcome::Done)
}
