//! Makes a host the first control plane of a new cluster.

use std::time::Duration;

use kubeone_spec::{KubernetesVersion, Role};

use super::{API_DEADLINE, await_earlier, clean_node, configure_node, finish_node, host_spec, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::kubeadm;
use crate::observe::{self, observe_host};
use crate::observed::{HostFacts, Marker};
use crate::report::Outcome;
use crate::standing::INIT_UNIT;

/// The API server of an earlier run that does not answer within this time will not.
const EARLIER_RUN_PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn run(cx: &Cx<'_>, name: &str, version: KubernetesVersion) -> Result<Outcome, StepError> {
    let (host, host_spec) = (cx.host(name)?, host_spec(cx, name)?);
    await_earlier(host, INIT_UNIT).await?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    let marker = Marker::claim(cx.spec, &facts)?;

    let present = facts.kubernetes.any();
    let made = present && came_to_its_end(cx, &facts).await;
    if !made {
        if present {
            if marker.uid.is_some() {
                let reason = "the host carries a cluster that was finished once and does not answer now".to_owned();
                return Err(StepError::Refused { reason });
            }
            clean_node(host, &os).await?;
        }
        configure_node::set_before_start(host, &os, host_spec, &facts).await?;
        let config = kubeadm::init_config(cx.spec, name, host_spec, version, &facts)?;
        host.run_unit(INIT_UNIT, &os.script("kubeadm_init")?.var("CONFIG", config)).await?;
    }
    let cluster = cx.cluster().await?;
    let uid = unless_cancelled(cx, cluster.await_api(API_DEADLINE)).await?;
    if made {
        configure_node::set_on_kubelet(cx, name, host_spec, &facts).await?;
    }
    finish_node(cx, name, Role::ControlPlane, marker, &uid).await?;
    Ok(Outcome::Done)
}

/// Whether an earlier `kubeadm init` on this host did all its work, so that only our own part is left.
async fn came_to_its_end(cx: &Cx<'_>, facts: &HostFacts) -> bool {
    if !(facts.kubelet_active && facts.kubernetes.admin_conf) {
        return false;
    }
    // Not the shared connection: if this cluster is given up, that one must not remember its CA.
    match observe::connect(cx.wanted, cx.hosts).await {
        Ok(cluster) => cluster.init_complete(EARLIER_RUN_PATIENCE).await.unwrap_or(false),
        Err(_) => false,
    }
}
