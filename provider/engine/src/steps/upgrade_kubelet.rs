//! The part of an upgrade that all nodes share: emptied, with another version, and back again.

use std::time::Duration;

use kubeone_desired::host_files;
use kubeone_facts::HostFacts;
use kubeone_hosts::{Os, RemoteFile, Script};
use kubeone_kubernetes::Cluster;
use kubeone_spec::KubernetesVersion;

use super::emptied::{drains, emptied};
use super::prepare_host::install_own_packages;
use super::{API_DEADLINE, PACKAGES_UNIT, UPGRADE_UNIT, record_files, unless_cancelled};
use crate::cx::Cx;
use crate::error::StepError;
use crate::report::Outcome;

/// A kubelet that has started anew reports within seconds; its pods may take longer.
const READY_DEADLINE: Duration = Duration::from_mins(5);

/// What is done to a node.
pub(super) struct Upgrade<'a> {
    pub(super) name: &'a str,
    pub(super) version: KubernetesVersion,
    pub(super) facts: &'a HostFacts,
    pub(super) os: &'a Os,
    /// Brings the static pods of a control plane to the version.
    pub(super) static_pods: Option<Script>,
    /// Starts the new kubelet, whose packages are there then.
    pub(super) kubelet: Script,
}

impl Upgrade<'_> {
    pub(super) async fn run(self, cx: &Cx<'_>) -> Result<Outcome, StepError> {
        let cluster = cx.cluster().await?;
        let nodes = cluster.nodes(API_DEADLINE).await?;
        let running: Option<KubernetesVersion> =
            nodes.get(self.name).and_then(|node| node.kubelet_version.parse().ok());
        let another_minor = running.is_none_or(|running| running.minor_release() != self.version.minor_release());
        // Kubernetes asks for an empty node when its kubelet goes to another minor release.
        let drains = drains(cx, running != Some(self.version), another_minor);
        emptied(cx, cluster, self.name, drains, self.upgrade(cx, cluster, another_minor)).await
    }

    async fn upgrade(self, cx: &Cx<'_>, cluster: &Cluster, another_minor: bool) -> Result<(), StepError> {
        let Self { name, version, facts, os, .. } = self;
        let host = cx.host(name)?;
        // kubeadm looks for its patches, which an adopted host does not have yet.
        let files = host_files::files(cx.spec, facts);
        let files: Vec<_> = files.into_iter().map(|(path, content)| RemoteFile::public(path, content)).collect();
        host.write_all(&files).await?;
        if let Some(static_pods) = &self.static_pods {
            host.run_unit(UPGRADE_UNIT, static_pods).await?;
        }
        if cx.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        // The kubelet starts anew when kubeadm has done its part, and in order.
        let install = install_own_packages(cx.spec, os, facts, version, cx.spec.timeouts.update)?
            .var("FETCH_ONLY", false)
            .var("RESTART_KUBELET", false);
        host.run_unit(PACKAGES_UNIT, &install).await?;
        let kubelet = match self.static_pods {
            Some(_) => self.kubelet.var("RESTART_PODS", another_minor),
            None => self.kubelet,
        };
        host.run_unit(UPGRADE_UNIT, &kubelet).await?;
        unless_cancelled(cx, cluster.await_node_version(name, version, READY_DEADLINE)).await?;
        record_files(host).await
    }
}
