//! Waits until nodes are Ready and the addons run on them.

use std::time::Duration;

use futures::future::try_join_all;
use kubeone_desired::{Addon, addons};

use super::{nodes_down, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

/// Images come over slow networks, too.
const DEADLINE: Duration = Duration::from_mins(10);

pub(crate) async fn run(cx: &Cx<'_>, hosts: &[String]) -> Result<Outcome, StepError> {
    let cluster = cx.cluster().await?;
    unless_cancelled(cx, cluster.await_nodes_ready(hosts, DEADLINE)).await?;
    let down = nodes_down(cluster).await?.len();
    let addons: Vec<_> =
        addons::wanted(cx.spec).iter().map(|wanted| Addon::find(wanted.name)).collect::<Result<_, _>>()?;
    let rollouts = addons.iter().map(|addon| cluster.await_rollout(addon.workloads(), down, DEADLINE));
    unless_cancelled(cx, try_join_all(rollouts)).await?;
    Ok(Outcome::Done)
}
