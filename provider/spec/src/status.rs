//! What is known about a cluster after it was looked at: the computed attributes of the resource.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::expose_option;
use crate::{ClientConfiguration, Secret};

/// Computed attributes of a cluster. A state that an older provider wrote may lack some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClusterStatus {
    /// Unique identity of the cluster: the uid of its `kube-system` namespace.
    pub id: String,
    /// URL of the Kubernetes API.
    pub endpoint: String,
    /// Certificate of the cluster's CA in PEM format.
    pub ca_certificate: String,
    /// Nodes as they were last seen.
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Public SSH host keys of the machines, by the names of the hosts, as they were seen at first contact. From then on each
    /// machine must show its key, whatever the known hosts say, until `instance_id` says that it is another machine or
    /// `ssh_host_key` states another key.
    pub ssh_host_keys: BTreeMap<String, String>,
    /// Kubeconfig of an administrator as YAML; null unless `kubeconfig.store_in_state` is set.
    #[serde(serialize_with = "expose_option")]
    #[schemars(extend("x-sensitive" = true))]
    pub kubeconfig_raw: Option<Secret<String>>,
    /// The same in parts, for other providers; null unless `kubeconfig.store_in_state` is set.
    #[schemars(with = "ClientConfiguration")]
    pub kubernetes_client_configuration: Option<ClientConfiguration>,
    /// When the client certificate in it ends, in UTC; null unless `kubeconfig.store_in_state` is set.
    pub kubeconfig_expires_at: Option<String>,
    /// What the last apply did, or the next one will do, one line for each action.
    pub planned_steps: Vec<String>,
}

/// One node as it was last seen.
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
    /// CPU architecture in Kubernetes' words, such as `amd64`.
    pub architecture: String,
    /// Public SSH host key that was seen.
    pub ssh_host_key: String,
}
