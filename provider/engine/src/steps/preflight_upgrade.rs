//! Looks whether all is well before the first change of an upgrade: what was true at the plan may not be true any more.

use std::time::Duration;

use kubeone_desired::kubeadm;
use kubeone_facts::Configured;
use kubeone_kubernetes::Cluster;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{API_DEADLINE, kubeadm_configuration};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// What was rebooted a moment ago is well again within this time.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(2);

pub(crate) async fn run(cx: &Cx<'_>) -> Result<Outcome, StepError> {
    let cluster = cx.cluster().await?;
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut earlier = Configured::default();
    while let Some(reason) = not_well(cx, cluster, &mut earlier).await? {
        if Instant::now() > deadline {
            let reason = format!("{reason}, and that for {} s; nothing was changed", PATIENCE.as_secs());
            return Err(StepError::Refused { reason });
        }
        tracing::debug!(reason, "waiting until all is well");
        tokio::select! {
            _ = ticks.tick() => {}
            () = cx.cancel.cancelled() => return Err(StepError::Cancelled),
        }
    }
    let configuration = kubeadm_configuration(cluster, API_DEADLINE).await?;
    if let Some(changed) = kubeadm::reconfigured(&configuration, &cx.desired, &earlier)? {
        cluster.set_kubeadm_configuration(&changed, API_DEADLINE).await?;
    }
    Ok(Outcome::Done)
}

/// Why a control plane could not be upgraded now. `earlier` becomes what earlier settings had us configure there.
async fn not_well(cx: &Cx<'_>, cluster: &Cluster, earlier: &mut Configured) -> Result<Option<String>, StepError> {
    let nodes = cluster.nodes(API_DEADLINE).await?;
    for name in cx.spec.control_plane.keys().filter(|name| nodes.contains_key(*name)) {
        if nodes.get(name).is_some_and(|node| !node.ready) {
            return Ok(Some(format!("the node {name} is not ready")));
        }
        let facts = observe_host(cx.host(name)?).await?;
        if *earlier == Configured::default() {
            earlier.clone_from(&facts.configured);
        }
        let has_etcd = facts.kubernetes.images.contains_key("etcd");
        let votes = || facts.etcd_members.iter().any(|member| member.name == *name && !member.learner);
        if has_etcd && !votes() {
            return Ok(Some(format!("the member of etcd on {name} does not answer, or has no vote")));
        }
    }
    Ok(None)
}
