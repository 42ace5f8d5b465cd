//! One host: a machine reached over SSH that becomes a node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a host does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    ControlPlane,
    Worker,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control plane",
            Self::Worker => "worker",
        })
    }
}

/// A machine that exists already. Its key in the map is the name of its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// IP address or DNS name at which SSH reaches the host.
    pub address: String,
    /// IP address the node uses inside the cluster. When absent, `address` is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// Identity of the machine behind the address, such as the `id` of the virtual machine. A changed value under the
    /// same key means a new machine, even at the same address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Public SSH host key in the form of a `known_hosts` line without the host name (`ssh-ed25519 AAAA…`). Required
    /// when the provider's `host_key_policy` is `pinned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    /// SSH user for this host. When absent, the provider's `ssh.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_user: Option<String>,
    /// SSH port for this host. When absent, the provider's `ssh.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
    /// Labels of the node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Taints of the node. When absent, control planes carry `node-role.kubernetes.io/control-plane:NoSchedule` and
    /// workers none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<Taint>>,
}

impl HostSpec {
    /// The address other nodes use.
    pub fn node_address(&self) -> &str {
        self.private_address.as_deref().unwrap_or(&self.address)
    }

    /// Whether another machine stands behind the name of this host than earlier settings said. Without `instance_id` its
    /// address tells.
    pub fn is_new_machine(&self, prior: &Self) -> bool {
        match (&prior.instance_id, &self.instance_id) {
            (Some(prior), Some(wanted)) => prior != wanted,
            _ => prior.node_address() != self.node_address(),
        }
    }
}

/// A node taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// Taint key, such as `dedicated`.
    pub key: String,
    /// Taint value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What happens to pods that do not tolerate the taint.
    pub effect: TaintEffect,
}

/// The effect of a taint, in Kubernetes' own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}
