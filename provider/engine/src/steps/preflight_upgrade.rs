//! Looks whether all is well before the first change of an upgrade: what was true at the plan may not be true any more.

use kubeone_kubernetes::Cluster;

use super::API_DEADLINE;
use crate::cx::Cx;
use crate::error::StepError;
use crate::kubeadm;
use crate::observe::observe_host;
use crate::report::Outcome;

pub(crate) async fn run(cx: &Cx<'_>) -> Result<Outcome, StepError> {
    let cluster = cx.cluster().await?;
    let nodes = cluster.nodes(API_DEADLINE).await?;
    for name in cx.spec.control_plane.keys().filter(|name| nodes.contains_key(*name)) {
        if nodes.get(name).is_some_and(|node| !node.ready) {
            return refused(&format!("the node {name} is not ready"));
        }
        let facts = observe_host(cx.host(name)?).await?;
        let has_etcd = facts.kubernetes.images.contains_key("etcd");
        let votes = || facts.etcd_members.iter().any(|member| member.name == *name && !member.learner);
        if has_etcd && !votes() {
            return refused(&format!("the member of etcd on {name} does not answer, or has no vote"));
        }
    }
    let configuration = configuration(cluster).await?;
    if let Some(changed) = kubeadm::with_orderly_shutdown(&configuration)? {
        cluster.set_kubeadm_configuration(&changed, API_DEADLINE).await?;
    }
    Ok(Outcome::Done)
}

/// kubeadm's configuration, without which nothing can be upgraded.
pub(super) async fn configuration(cluster: &Cluster) -> Result<String, StepError> {
    let missing = || StepError::Refused { reason: "the ConfigMap kube-system/kubeadm-config is missing".to_owned() };
    cluster.kubeadm_configuration(API_DEADLINE).await?.ok_or_else(missing)
}

fn refused(what: &str) -> Result<Outcome, StepError> {
    Err(StepError::Refused { reason: format!("{what}; nothing was changed") })
}
