//! What is wrong with a finished node and can be put right on its host. Plan and step decide by this alone.

use std::fmt;

use jiff::Timestamp;
use kubeone_facts::{ApiState, EtcdMember, HostFacts, Observed};
use kubeone_spec::{KubernetesVersion, Role};
use serde::{Deserialize, Serialize};

use crate::etcd::is_quorum;
use crate::evidence;
use crate::leaving::leavers;
use crate::node_changes::of_host;
use crate::renewal::KUBELET_CERTIFICATE;
use crate::restore;
use crate::standing::{Standing, has_node, standing, was_reset};
use crate::wanted::Wanted;

/// One thing that is put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Services that do not run, or would not after the next boot.
    Start { services: Vec<String> },
    /// Files that kubeadm wrote and somebody else changed or removed.
    Restore { files: Vec<String> },
    /// A kubelet whose certificate has ended cannot ask for a new one.
    RenewKubeletCertificate,
    /// A control plane whose Node is gone, but nothing else.
    RegisterNode,
    /// Nothing is wrong that can be seen, and yet the API is silent: components that gave up start at once.
    RestartKubelet,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { services } => write!(f, "start {}", services.join(" and ")),
            Self::Restore { files } => write!(f, "restore {}", files.join(", ")),
            Self::RenewKubeletCertificate => f.write_str("renew the kubelet's certificate"),
            Self::RegisterNode => f.write_str("register its Node"),
            Self::RestartKubelet => f.write_str("restart the kubelet"),
        }
    }
}

/// What is wrong with a finished node. While an upgrade is under way nothing is: its own steps come to all of it, as soon as
/// there is an API.
pub fn repairs(wanted: &Wanted, observed: &Observed, name: &str, role: Role) -> Vec<Repair> {
    // One that is adopted is ours before it is repaired.
    if !matches!(standing(wanted, observed, name), Standing::Finished | Standing::Adoptable) {
        return Vec::new();
    }
    // Nothing is left that could be put right: it joins again.
    if was_reset(wanted, observed, name) {
        return Vec::new();
    }
    let Some(facts) = observed.facts(name) else { return Vec::new() };
    let is_silent = matches!(observed.api, ApiState::Silent { .. });
    let installed = facts.packages.kubelet.parse::<KubernetesVersion>();
    if !is_silent && installed.is_ok_and(|installed| installed < wanted.spec.kubernetes_version) {
        return Vec::new();
    }
    let mut repairs = on_host(facts, &observed.observed_at);
    if !is_silent {
        // With the API there, containerd is the preparation's business; and a kubelet that is to have other settings may not
        // start with those that it has.
        let settings =
            has_node(observed, name) && wanted.spec.host(name).is_some_and(|host| of_host(host, facts).is_some());
        for repair in &mut repairs {
            if let Repair::Start { services } = repair {
                services.retain(|service| service != CONTAINERD && !(settings && service == KUBELET));
            }
        }
        repairs.retain(|repair| !matches!(repair, Repair::Start { services } if services.is_empty()));
    }
    if role == Role::ControlPlane && lost_its_node(wanted, observed, name) {
        repairs.push(Repair::RegisterNode);
    }
    repairs
}

pub const CONTAINERD: &str = "containerd";
pub const KUBELET: &str = "kubelet";

/// What is wrong as far as the host itself shows it. `now` is when it was looked at.
pub fn on_host(facts: &HostFacts, now: &str) -> Vec<Repair> {
    let services = [(CONTAINERD, facts.containerd_active), (KUBELET, facts.kubelet_active)];
    let down = |name: &str, active: bool| !active || facts.disabled_services.iter().any(|disabled| disabled == name);
    let services: Vec<_> =
        services.into_iter().filter(|(name, active)| down(name, *active)).map(|(name, _)| name.to_owned()).collect();
    let mut repairs = Vec::new();
    if !services.is_empty() {
        repairs.push(Repair::Start { services });
    }
    if !facts.changed_files.is_empty() {
        repairs.push(Repair::Restore { files: facts.changed_files.clone() });
    }
    let end = facts.certificates.get(KUBELET_CERTIFICATE).and_then(|end| end.parse::<Timestamp>().ok());
    if let (Some(end), Some(now)) = (end, facts.now(now))
        && end <= now
    {
        repairs.push(Repair::RenewKubeletCertificate);
    }
    repairs
}

/// Whether a node stands aside for now: it was stopped for a restore, is to join again, or was reset.
pub fn was_left(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    observed.facts(name).is_some_and(|facts| facts.restore.is_some())
        || restore::is_abandoned(wanted, observed, name)
        || was_reset(wanted, observed, name)
        || wanted.spec.control_plane.contains_key(name) && lost_its_member(wanted, observed, name)
}

/// Whether a finished control plane has no Node any more. Its kubelet registers it anew; one whose member of etcd is gone
/// as well joins again.
pub fn lost_its_node(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    observed.api_facts().is_some()
        && standing(wanted, observed, name) == Standing::Finished
        && !has_node(observed, name)
        && !is_renamed(wanted, observed, name)
        && !lost_its_member(wanted, observed, name)
}

/// Whether it is a machine that gets another name. It has neither Node nor member under that one yet.
fn is_renamed(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    leavers(wanted, observed).any(|leaver| leaver.successor == Some(name))
}

/// Whether other control planes say that a finished one is no member of etcd: as many of them as are a majority, for what
/// follows is that it joins again. One without a vote is none yet: whoever made it join again did not come to the end.
pub fn lost_its_member(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    if standing(wanted, observed, name) != Standing::Finished || is_renamed(wanted, observed, name) {
        return false;
    }
    let others = evidence::present(wanted, observed).filter(|other| other.name != name);
    let lists: Vec<_> = others.map(|other| other.facts.etcd_members.as_slice()).collect();
    let known = lists.iter().filter(|list| !list.is_empty()).count();
    if known == 0 {
        return false;
    }
    // Until its marker says that it has the restored data, nobody knows whether it does.
    if restore::is_abandoned(wanted, observed, name) {
        return true;
    }
    let votes = |list: &[EtcdMember]| list.iter().any(|member| member.name == name && !member.learner);
    let own = observed.facts(name).map(|facts| facts.etcd_members.as_slice());
    is_quorum(known, lists.len()) && !lists.iter().copied().chain(own).any(votes)
}
