//! Lets kubeadm bring kube-proxy and CoreDNS to the version of the control planes, and waits until they run.

use std::time::Duration;

use kubeone_desired::{Workload, WorkloadKind};
use kubeone_kubernetes::ClusterError;

use super::{UPGRADE_UNIT, await_earlier, nodes_down, os_of, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

/// Images come over slow networks, too, and a DaemonSet goes from node to node.
const DEADLINE: Duration = Duration::from_mins(15);
/// A node that is down may keep a DaemonSet from going on, for as long as it is down.
const DEADLINE_WITH_NODES_DOWN: Duration = Duration::from_mins(3);

pub(crate) async fn run(cx: &Cx<'_>, name: &str) -> Result<Outcome, StepError> {
    let host = cx.host(name)?;
    await_earlier(host, UPGRADE_UNIT).await?;
    let os = os_of(&observe_host(host).await?)?;
    host.run_unit(UPGRADE_UNIT, &os.script("upgrade_kubeadm_addons")?).await?;
    let cluster = cx.cluster().await?;
    let down = nodes_down(cluster).await?;
    let workloads = [(WorkloadKind::DaemonSet, "kube-proxy"), (WorkloadKind::Deployment, "coredns")];
    for (kind, name) in workloads {
        let workload = Workload { kind, namespace: "kube-system".to_owned(), name: name.to_owned() };
        // Some run without kube-proxy, or with a DNS of their own.
        if cluster.has_workload(&workload).await? {
            let deadline = if down.is_empty() { DEADLINE } else { DEADLINE_WITH_NODES_DOWN };
            let workload = [workload];
            match unless_cancelled(cx, cluster.await_rollout(&workload, down.len(), deadline)).await {
                Err(StepError::Kubernetes(error @ ClusterError::NotReady { .. })) if !down.is_empty() => {
                    let text =
                        format!("{error}; it goes on when these nodes are back, or deleted: {}", down.join(", "));
                    return Ok(Outcome::Warning(text));
                }
                other => other?,
            }
        }
    }
    Ok(Outcome::Done)
}
