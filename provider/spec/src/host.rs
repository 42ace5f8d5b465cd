//! One host: a machine reached over SSH that becomes a node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::KubeletSpec;

/// The role of a host in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    ControlPlane,
    Worker,
}

impl Role {
    /// The map of hosts with this role in the settings.
    pub fn map(self) -> &'static str {
        match self {
            Self::ControlPlane => "control_plane",
            Self::Worker => "static_workers",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control plane",
            Self::Worker => "worker",
        })
    }
}

/// How the machine that answers at the address of a host was verified to be the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostIdentity {
    /// Not at all: its host key was accepted on first contact.
    FirstContact,
    /// By the known hosts, or by a certificate of an authority that they list.
    Known,
    /// By the key that the settings set, or that the state stores since an earlier run.
    #[default]
    Pinned,
}

/// An existing machine. Its key in the map is the name of its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// IP address or DNS name at which SSH reaches the host.
    pub address: String,
    /// IP address of the node inside the cluster. When unset, `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// ID of the machine behind the address, such as the `id` of the virtual machine. A changed value under the same
    /// key means a new machine, even at the same address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Public SSH host key, in the form of a `known_hosts` line without the host name (`ssh-ed25519 AAAA…`). It takes
    /// precedence over the key that the state stores in `ssh_host_keys`. Required for new machines when the provider's
    /// `host_key_policy` is `pinned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    /// SSH user on this host. When unset, the provider's `ssh.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_user: Option<String>,
    /// SSH port of this host. When unset, the provider's `ssh.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
    /// Labels of the node. An apply sets them back if they were changed elsewhere; other labels of the node are left
    /// alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the node, maintained in the same way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Taints of the node. When unset, control planes have `node-role.kubernetes.io/control-plane:NoSchedule` and
    /// workers have none. They are maintained in the same way, so do not list a taint that something else removes, as
    /// network plugins do when they are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<Taint>>,
    /// Settings of the kubelet on this host, named as in `KubeletConfiguration`. Settings that are not set come from
    /// the cluster's kubelet configuration in kubeadm's ConfigMap, which has the kubelet's defaults unless it was
    /// changed. A change restarts the kubelet. If the kubelet fails its health check, the previous settings are
    /// restored. Pods keep running unless the node no longer has room for them.
    #[serde(default, skip_serializing_if = "KubeletSpec::is_empty")]
    pub kubelet: KubeletSpec,
}

impl HostSpec {
    /// The address that other nodes use.
    pub fn node_address(&self) -> &str {
        self.private_address.as_deref().unwrap_or(&self.address)
    }

    /// Whether the host is another machine than in earlier settings. Without `instance_id`, the address decides.
    pub fn is_new_machine(&self, prior: &Self) -> bool {
        match (&prior.instance_id, &self.instance_id) {
            (Some(prior), Some(wanted)) => prior != wanted,
            _ => prior.node_address() != self.node_address(),
        }
    }

    /// The taints of the node, or the defaults when none are set.
    pub fn taints_as(&self, role: Role) -> Vec<Taint> {
        self.taints.clone().unwrap_or_else(|| Taint::of_kubeadm(role))
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

impl Taint {
    /// The taints that kubeadm sets when none are configured.
    pub fn of_kubeadm(role: Role) -> Vec<Self> {
        let key = "node-role.kubernetes.io/control-plane".to_owned();
        match role {
            Role::ControlPlane => vec![Self { key, value: None, effect: TaintEffect::NoSchedule }],
            Role::Worker => Vec::new(),
        }
    }

    /// Whether one replaces the other: a node has at most one taint per key and effect.
    pub fn takes_the_place_of(&self, other: &Self) -> bool {
        self.key == other.key && self.effect == other.effect
    }
}

/// As kubectl writes it: `key=value:effect`.
impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, "={value}")?;
        }
        write!(f, ":{:?}", self.effect)
    }
}

impl std::str::FromStr for Taint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is not a taint: write `key=value:effect`");
        let (rest, effect) = text.rsplit_once(':').ok_or_else(error)?;
        let effect = match effect {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            _ => return Err(error()),
        };
        let (key, value) = rest.split_once('=').map_or((rest, None), |(key, value)| (key, Some(value)));
        Ok(Self { key: key.to_owned(), value: value.filter(|it| !it.is_empty()).map(str::to_owned), effect })
    }
}

/// The effect of a taint, as Kubernetes names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_written_as_kubectl_writes_them() {
        for text in ["dedicated=db:NoSchedule", "node-role.kubernetes.io/control-plane:PreferNoSchedule", "a:NoExecute"]
        {
            assert_eq!(text.parse::<Taint>().unwrap().to_string(), text);
        }
        assert_eq!("a=:NoExecute".parse::<Taint>().unwrap().to_string(), "a:NoExecute");
        for bad in ["", "a", "a:Never"] {
            assert!(bad.parse::<Taint>().is_err(), "{bad}");
        }
    }
}
