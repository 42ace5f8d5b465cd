//! What the Kubernetes API said of the cluster.

use std::collections::BTreeMap;

use kubeone_spec::Taint;
use serde::{Deserialize, Serialize};

/// The Kubernetes API, as far as it could be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ApiState {
    /// No host carries a control plane yet.
    #[default]
    Absent,
    Silent {
        reason: String,
    },
    Answered(Box<ApiFacts>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiFacts {
    pub cluster_uid: String,
    /// PEM.
    pub ca_certificate: String,
    /// SHA-256 of the same certificate.
    pub ca_sha256: String,
    pub version: String,
    pub nodes: BTreeMap<String, NodeFacts>,
    pub addons: BTreeMap<String, AddonState>,
    /// What is not there of that which `kubeadm init` leaves behind: its ConfigMaps, kube-proxy, CoreDNS.
    pub missing: Vec<String>,
    /// `kubernetesVersion` of kubeadm's configuration in the cluster, such as `v1.36.3`; empty when it could not be read.
    pub kubeadm_version: String,
    /// Tag of kube-proxy's image; empty when there is no kube-proxy of kubeadm's.
    pub kube_proxy_version: String,
    /// APIs that were requested since the API server started, and that a later release does not have.
    pub deprecated_apis: Vec<DeprecatedApi>,
}

/// An API that is asked for and has been given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct DeprecatedApi {
    /// Such as `flowcontrol.apiserver.k8s.io/v1beta3`.
    pub group_version: String,
    pub resource: String,
    /// The first minor release without it, such as `1.32`.
    pub removed_release: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    pub ready: bool,
    pub control_plane: bool,
    pub unschedulable: bool,
    /// It is unschedulable because an operation of ours was interrupted.
    pub cordoned_by_us: bool,
    pub kubelet_version: String,
    pub container_runtime_version: String,
    pub internal_address: String,
    /// `/etc/machine-id` of the machine that registered the node.
    pub machine_id: String,
    pub settings: NodeSettings,
}

impl NodeFacts {
    /// What runs its containers, if it is not containerd. Components are restarted and looked at through containerd alone.
    pub fn other_runtime(&self) -> Option<&str> {
        let runtime = self.container_runtime_version.as_str();
        (!runtime.is_empty() && !runtime.starts_with("containerd://")).then_some(runtime)
    }
}

/// What we set on a node, and what others did as far as it stands in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSettings {
    /// Those that we set and that were not changed since.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// All of them, without those of Kubernetes' own controllers.
    pub taints: Vec<Taint>,
    /// Those that we set; `None` where we never set any.
    pub own_taints: Option<Vec<Taint>>,
}

/// An addon as its inventory in the cluster describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddonState {
    /// Hash of what was applied last.
    pub hash: String,
    pub ready: bool,
    /// In words, what others did to its objects since.
    pub drift: Vec<String>,
}
