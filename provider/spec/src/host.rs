//! One host: a machine reached over SSH that becomes a node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::KubeletSpec;

/// What a host does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    ControlPlane,
    Worker,
}

impl Role {
    /// The map of the settings that names the hosts of this role.
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

/// How it is known that the machine that answers at the address of a host is the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostIdentity {
    /// By nothing: its host key was taken as it came.
    FirstContact,
    /// By known hosts, or by a certificate of an authority that stands there.
    Known,
    /// By the key that the settings state, or that the state keeps since an earlier run.
    #[default]
    Pinned,
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
    /// Public SSH host key in the form of a `known_hosts` line without the host name (`ssh-ed25519 AAAA…`). It comes before
    /// the one that the state keeps in `ssh_host_keys`. Required for new machines when the provider's `host_key_policy` is
    /// `pinned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    /// SSH user for this host. When absent, the provider's `ssh.user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_user: Option<String>,
    /// SSH port for this host. When absent, the provider's `ssh.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
    /// Labels of the node. They are kept as they stand here; labels that somebody else set stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the node, kept in the same way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Taints of the node. When absent, control planes carry `node-role.kubernetes.io/control-plane:NoSchedule` and
    /// workers none. They are kept in the same way, so a taint that something else takes away again, as network plugins
    /// do when they are ready, does not belong here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<Taint>>,
    /// Settings of the kubelet on this host, under the names of `KubeletConfiguration`. What is left away is as kubeadm's
    /// configuration of the cluster has it, which is the kubelet's own default unless somebody changed that. A change
    /// restarts the kubelet, and is taken back if it does not run well with it; pods run on, unless the node has no room
    /// for them any more.
    #[serde(default, skip_serializing_if = "KubeletSpec::is_empty")]
    pub kubelet: KubeletSpec,
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

    /// The taints of the node, those that are meant when none are written included.
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
    /// The taints that kubeadm gives a node when it is told of none.
    pub fn of_kubeadm(role: Role) -> Vec<Self> {
        let key = "node-role.kubernetes.io/control-plane".to_owned();
        match role {
            Role::ControlPlane => vec![Self { key, value: None, effect: TaintEffect::NoSchedule }],
            Role::Worker => Vec::new(),
        }
    }

    /// Whether both can only stand in each other's place: a node has one taint of each key and effect.
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
        let error = || format!("`{text}` is no taint: write `key=value:effect`");
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

/// The effect of a taint, in Kubernetes' own words.
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
