//! What was last observed of a cluster: the computed attributes of the resource.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::expose_option;
use crate::{ClientConfiguration, Secret};

/// Computed attributes of a cluster. A state that an older provider wrote may lack some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClusterStatus {
    /// Unique ID of the cluster: the UID of its `kube-system` namespace.
    pub id: String,
    /// URL of the Kubernetes API.
    pub endpoint: String,
    /// CA certificate of the cluster in PEM format.
    pub ca_certificate: String,
    /// Nodes as last observed.
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Public SSH host keys of the machines, by host name, as seen on first contact. From then on each machine must
    /// present its key, whatever the known hosts say, until `instance_id` identifies another machine or `ssh_host_key`
    /// sets another key.
    pub ssh_host_keys: BTreeMap<String, String>,
    /// Kubeconfig of an administrator as YAML; null unless `kubeconfig.store_in_state` is set.
    #[serde(serialize_with = "expose_option")]
    #[schemars(extend("x-sensitive" = true))]
    pub kubeconfig_raw: Option<Secret<String>>,
    /// The parts of that kubeconfig, for other providers; null unless `kubeconfig.store_in_state` is set.
    #[schemars(with = "ClientConfiguration")]
    pub kubernetes_client_configuration: Option<ClientConfiguration>,
    /// When the client certificate of that kubeconfig expires, in UTC; null unless `kubeconfig.store_in_state` is set.
    pub kubeconfig_expires_at: Option<String>,
    /// What the last apply did, or what the next one will do, one line per action.
    pub planned_steps: Vec<String>,
}

/// One node as last observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NodeStatus {
    /// `control_plane` or `worker`.
    pub role: String,
    /// Version of the kubelet.
    pub kubelet_version: String,
    /// Version of the container runtime.
    pub container_runtime_version: String,
    /// Operating system, such as `debian 12`.
    pub operating_system: String,
    /// CPU architecture as Kubernetes names it, such as `amd64`.
    pub architecture: String,
    /// Public SSH host key of the machine.
    pub ssh_host_key: String,
}
