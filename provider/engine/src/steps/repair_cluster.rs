//! Makes again what `kubeadm init` made in the cluster, through a control plane that is there, with its own phases.

use kubeone_desired::{COREDNS, KUBE_PROXY, kubeadm};
use kubeone_spec::{KubernetesVersion, Role};

use super::peer::finished_control_plane;
use super::{API_DEADLINE, await_earlier, host_spec, os_of};
use crate::cx::Cx;
use crate::error::StepError;
use crate::observe::observe_host;
use crate::report::Outcome;

const UNIT: &str = "kubeone-repair";

/// What there is, and the phase of `kubeadm init` that makes it. In kubeadm's own order.
const PHASES: [(&str, &str); 5] = [
    ("ConfigMap kube-system/kubeadm-config", "upload-config kubeadm"),
    ("ConfigMap kube-system/kubelet-config", "upload-config kubelet"),
    ("ConfigMap kube-public/cluster-info", "bootstrap-token"),
    (COREDNS, "addon coredns"),
    (KUBE_PROXY, "addon kube-proxy"),
];

pub(crate) async fn run(cx: &Cx<'_>, version: KubernetesVersion, missing: &[String]) -> Result<Outcome, StepError> {
    let cluster = cx.cluster().await?;
    let uid = cluster.uid(API_DEADLINE).await?;
    let host = finished_control_plane(cx, "", Role::Worker, &uid).await?.host;
    let host_spec = host_spec(cx, host.name())?;
    await_earlier(host, UNIT).await?;
    let facts = observe_host(host).await?;
    let still = cluster.missing(API_DEADLINE).await?;
    let is_due = |object: &str| [missing, &still].iter().all(|all| all.iter().any(|it| it == object));
    let phases: Vec<_> = PHASES.iter().filter(|(object, _)| is_due(object)).map(|(_, phase)| *phase).collect();
    if phases.is_empty() {
        return Ok(Outcome::Skipped("all of it is there again".to_owned()));
    }
    let config = kubeadm::init_config(cx.spec, host.name(), host_spec, version, &facts)?;
    let repair = os_of(&facts)?.script("repair_cluster")?.var("CONFIG", config).lines("PHASES", phases);
    host.run_unit(UNIT, &repair).await?;
    Ok(Outcome::Done)
}
