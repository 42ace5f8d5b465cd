//! What is wrong with a finished node and can be put right on its host. Plan and step decide by this alone.

use std::fmt;

use jiff::Timestamp;
use kubeone_facts::{ApiState, EtcdMember, HostFacts};
use kubeone_spec::KubernetesVersion;
use serde::{Deserialize, Serialize};

use crate::etcd::is_quorum;
use crate::evidence::Evidence;
use crate::node_changes::of_host;
use crate::renewal::KUBELET_CERTIFICATE;
use crate::situation::{HostSituation, Situation};

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
            Self::RenewKubeletCertificate => f.write_str("renew kubelet certificate"),
            Self::RegisterNode => f.write_str("register Node"),
            Self::RestartKubelet => f.write_str("restart kubelet"),
        }
    }
}

/// What is wrong with a finished node. While an upgrade is under way nothing is: its own steps come to all of it, as soon as
/// there is an API.
pub(crate) fn repairs(situation: &Situation<'_>, host: &HostSituation<'_>) -> Vec<Repair> {
    let observed = situation.observed;
    // One that is adopted is ours before it is repaired. One that was reset has nothing left to put right: it joins again.
    if !host.is_ours() || host.was_reset {
        return Vec::new();
    }
    let Some(facts) = host.facts else { return Vec::new() };
    let is_silent = matches!(observed.api, ApiState::Silent { .. });
    let installed = facts.packages.kubelet.parse::<KubernetesVersion>();
    if !is_silent && installed.is_ok_and(|installed| installed < situation.spec.kubernetes_version) {
        return Vec::new();
    }
    let mut repairs = on_host(facts, &observed.observed_at);
    if !is_silent {
        // With the API there, containerd is the preparation's business; and a kubelet that is to have other settings may not
        // start with those that it has.
        let settings = host.node.is_some() && of_host(host.spec, facts).is_some();
        for repair in &mut repairs {
            if let Repair::Start { services } = repair {
                services.retain(|service| service != CONTAINERD && !(settings && service == KUBELET));
            }
        }
        repairs.retain(|repair| !matches!(repair, Repair::Start { services } if services.is_empty()));
    }
    if host.lost_node {
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

/// Whether other control planes say that a finished one is no member of etcd: as many of them as are a majority, for what
/// follows is that it joins again. One without a vote is none yet: whoever made it join again did not come to the end.
pub(crate) fn lost_its_member(evidence: &Evidence<'_>, host: &HostSituation<'_>) -> bool {
    let others = evidence.present.iter().filter(|other| other.name != host.name);
    let lists: Vec<_> = others.map(|other| other.facts.etcd_members.as_slice()).collect();
    let known = lists.iter().filter(|list| !list.is_empty()).count();
    if known == 0 {
        return false;
    }
    // Until its marker says that it has the restored data, nobody knows whether it does.
    if host.is_abandoned {
        return true;
    }
    let votes = |list: &[EtcdMember]| list.iter().any(|member| member.name == host.name && !member.learner);
    let own = host.facts.map(|facts| facts.etcd_members.as_slice());
    is_quorum(known, lists.len()) && !lists.iter().copied().chain(own).any(votes)
}
