//! What can be repaired on the host of a finished node.

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

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Services that do not run, or are not enabled.
    Start { services: Vec<String> },
    /// Files of kubeadm that were changed or removed.
    Restore { files: Vec<String> },
    /// A kubelet with an expired certificate cannot request a new one.
    RenewKubeletCertificate,
    /// A control plane that lost only its Node.
    RegisterNode,
    /// The API is silent without a visible cause: a restart makes failed components start at once.
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

/// What has to be repaired on a finished node. Nothing during an upgrade with a working API, because its steps include
/// all repairs.
pub(crate) fn repairs(situation: &Situation<'_>, host: &HostSituation<'_>) -> Vec<Repair> {
    let observed = situation.observed;
    // An adopted node is ours before it is repaired. One that was reset has nothing to repair: it joins again.
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
        // With a working API, the preparation starts containerd. A kubelet whose settings change may not start with the
        // current ones.
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

/// What the host itself shows. `now` is when it was observed.
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

/// Whether a majority of the other control planes report that a finished one is not an etcd member. A majority is
/// needed, because the host joins again. A learner does not count as a member: its join was interrupted.
pub(crate) fn lost_its_member(evidence: &Evidence<'_>, host: &HostSituation<'_>) -> bool {
    let others = evidence.present.iter().filter(|other| other.name != host.name);
    let lists: Vec<_> = others.map(|other| other.facts.etcd_members.as_slice()).collect();
    let known = lists.iter().filter(|list| !list.is_empty()).count();
    if known == 0 {
        return false;
    }
    // Until its marker records the restore, it is unknown whether it has the restored data.
    if host.is_abandoned {
        return true;
    }
    let votes = |list: &[EtcdMember]| list.iter().any(|member| member.name == host.name && !member.learner);
    let own = host.facts.map(|facts| facts.etcd_members.as_slice());
    is_quorum(known, lists.len()) && !lists.iter().copied().chain(own).any(votes)
}
