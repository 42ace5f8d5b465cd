//! Lets kubeadm bring kube-proxy and CoreDNS to the version of the control planes, and waits until they run.

use std::time::Duration;

use kubeone_kubernetes::{Workload, WorkloadKind};

use super::{UPGRADE_UNIT, await_earlier, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// Images come over slow networks, too, and a DaemonSet goes from node to node.
const DEADLINE: Duration = Duration::from_mins(15);

pub(crate) async fn run(cx: &Cx<'_>) -> Result<Outcome, StepError> {
    let name = cx.spec.control_plane.keys().next().ok_or_else(|| StepError::NoApi { reason: String::new() })?;
    let host = cx.host(name)?;
    await_earlier(host, UPGRADE_UNIT).await?;
    let os = os_of(&observe_host(host).await?)?;
    host.run_unit(UPGRADE_UNIT, &os.script("upgrade_kubeadm_addons")?).await?;
    let cluster = cx.cluster().await?;
    let workloads = [(WorkloadKind::DaemonSet, "kube-proxy"), (WorkloadKind::Deployment, "coredns")];
    for (kind, name) in workloads {
        let workload = Workload { kind, namespace: "kube-system".to_owned(), name: name.to_owned() };
        // Some run without kube-proxy, or with a DNS of their own.
        if cluster.has_workload(&workload).await? {
            unless_cancelled(cx, cluster.await_rollout(&[workload], DEADLINE)).await?;
        }
    }
    Ok(Outcome::Done)
}
