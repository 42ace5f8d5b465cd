//! Exchanges the containerd of a node. Its containers belong to their shims and run on while it restarts.

use std::time::Duration;

use kubeone_desired::host_files::is_adopted;
use kubeone_facts::Marker;
use kubeone_plan::runtime;
use kubeone_spec::{ContainerdVersion, KubernetesVersion};

use super::emptied::{drains, emptied};
use super::prepare_host::install_packages;
use super::{API_DEADLINE, PACKAGES_UNIT, UPGRADE_UNIT, await_earlier, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// A kubelet that has its runtime again reports within seconds.
const READY_DEADLINE: Duration = Duration::from_mins(3);

pub(crate) async fn run(cx: &Cx<'_>, name: &str, to: ContainerdVersion) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, UPGRADE_UNIT).await?;
    let facts = observe_host(host).await?;
    let os = os_of(&facts)?;
    Marker::claim(cx.spec, &facts)?;
    if is_adopted(&facts) {
        return Ok(Outcome::Skipped("the containerd of an adopted host is its owner's".to_owned()));
    }
    let another_minor =
        facts.packages.containerd.parse().is_ok_and(|present: ContainerdVersion| !present.is_same_minor(to));
    let drains = drains(cx, facts.packages.containerd != to.to_string(), another_minor);
    // What is there of Kubernetes stays as it is: its versions have steps of their own.
    let kubernetes = facts.packages.kubelet.parse::<KubernetesVersion>().unwrap_or(cx.spec.kubernetes_version);
    let containerd = runtime::exactly(to);
    let install = install_packages(cx.spec, &os, &facts, kubernetes, &containerd, cx.spec.timeouts.update)?
        .var("FETCH_ONLY", false)
        .var("RESTART_KUBELET", false);
    let cluster = cx.cluster().await?;
    // One that was not ready before need not be afterwards.
    let was_ready = cluster.nodes(API_DEADLINE).await?.get(name).is_some_and(|node| node.ready);
    emptied(cx, cluster, name, drains, async {
        let before = cluster.last_ready_report(name).await?;
        host.run_unit(PACKAGES_UNIT, &install).await?;
        if let Some(before) = before.filter(|_| was_ready) {
            unless_cancelled(cx, cluster.await_ready_report(name, before, READY_DEADLINE)).await?;
        }
        Ok(())
    })
    .await
}
