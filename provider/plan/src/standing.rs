//! The standing of a host: which cluster it belongs to, and how far it is on its way to a node.

use kubeone_facts::{ApiFacts, HostFacts, HostState, Marker, MarkerFile, NodeFacts, Observed, UnitState};
use kubeone_spec::Role;

use crate::situation::Situation;
use crate::wanted::Wanted;

/// How a host relates to the wanted cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Never observed, for example because its address is not known yet. It is treated as a new machine.
    Unseen,
    /// It does not answer, or rejects the connection.
    Unreachable { reason: &'a str },
    /// It belongs to another cluster or another tool. It is never touched.
    Foreign(Foreign<'a>),
    /// It has Kubernetes and an unreadable marker, and nothing else identifies its cluster. It is neither touched nor
    /// ignored.
    Damaged { reason: &'a str },
    /// It has no Kubernetes.
    Bare,
    /// Ours, being set up and never a finished node: it may be cleaned.
    Begun,
    /// Ours, and it has been a finished node.
    Finished,
    /// A node of the cluster in Terraform's state without a readable marker: another tool created it, or the marker is
    /// damaged.
    Adoptable,
}

/// Why a host is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign<'a> {
    OtherName {
        cluster: &'a str,
    },
    /// Another cluster with the same name.
    OtherUid {
        uid: &'a str,
    },
    /// It has Kubernetes and no marker.
    Unmarked,
}

pub(crate) fn standing<'a>(wanted: &Wanted, observed: &'a Observed, host: &str) -> Standing<'a> {
    if wanted.imported && !observed.hosts.contains_key(host) && has_node(observed, host) {
        return Standing::Adoptable;
    }
    standing_of(wanted, observed, host, observed.hosts.get(host))
}

/// The standing of a machine in this observed state.
pub fn standing_of<'a>(wanted: &Wanted, observed: &Observed, host: &str, state: Option<&'a HostState>) -> Standing<'a> {
    let facts = match state {
        None => return Standing::Unseen,
        Some(HostState::Unreachable { reason } | HostState::Refuses { reason }) => {
            return Standing::Unreachable { reason };
        }
        Some(HostState::Reached(facts)) => facts,
    };
    let marker = match &facts.marker {
        MarkerFile::Good(marker) => marker,
        MarkerFile::Absent | MarkerFile::Unusable { .. } if is_adoptable(wanted, observed, host, facts) => {
            return Standing::Adoptable;
        }
        MarkerFile::Absent | MarkerFile::Unusable { .. } if !facts.carries_kubernetes() => {
            return Standing::Bare;
        }
        MarkerFile::Absent => return Standing::Foreign(Foreign::Unmarked),
        MarkerFile::Unusable { reason } => return Standing::Damaged { reason },
    };
    if marker.cluster != wanted.spec.name {
        return Standing::Foreign(Foreign::OtherName { cluster: &marker.cluster });
    }
    let Some(uid) = &marker.uid else { return Standing::Begun };
    let is_of_api = observed.api_facts().is_none_or(|api| *uid == api.cluster_uid);
    if is_of_api && is_known(wanted, observed, uid) {
        Standing::Finished
    } else {
        Standing::Foreign(Foreign::OtherUid { uid })
    }
}

/// Whether Terraform's state refers to the cluster with this uid. The cluster may have replaced a lost one in an apply
/// that was interrupted. Then more control planes say so than still belong to the lost cluster.
fn is_known(wanted: &Wanted, observed: &Observed, uid: &str) -> bool {
    let stay = wanted.spec.control_plane.keys().filter_map(|name| observed.facts(name));
    let leaving = wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
    let leave = leaving.filter_map(|(name, _)| observed.leaving_facts(name));
    is_known_by(wanted, stay.chain(leave).filter_map(|facts| facts.marker.as_ref()), uid)
}

/// `markers` are those of control planes.
fn is_known_by<'a>(wanted: &Wanted, markers: impl Iterator<Item = &'a Marker>, uid: &str) -> bool {
    let Some(known) = wanted.uid.as_deref().filter(|known| !known.is_empty()) else { return true };
    if uid == known {
        return true;
    }
    let (mut replace, mut remain) = (0, 0);
    for marker in markers.filter(|marker| marker.cluster == wanted.spec.name) {
        let of = marker.uid.as_deref();
        replace += usize::from(of == Some(uid) && marker.replaces.as_deref() == Some(known));
        remain += usize::from(of == Some(known));
    }
    replace > remain
}

/// Whether a marker, among those of all control planes, says that its host is a finished node of the cluster.
pub fn is_finished_by(wanted: &Wanted, marker: &Marker, markers: &[Marker]) -> bool {
    let is_ours = |uid| is_known_by(wanted, markers.iter(), uid);
    marker.cluster == wanted.spec.name && marker.uid.as_deref().is_some_and(is_ours)
}

/// The uid of another cluster in the place of the one in Terraform's state.
pub fn other_cluster<'a>(situation: &Situation<'a>) -> Option<&'a str> {
    let (wanted, observed) = (situation.wanted, situation.observed);
    if let Some(api) = observed.api_facts() {
        return Some(api.cluster_uid.as_str()).filter(|uid| !is_known(wanted, observed, uid));
    }
    let mut other = None;
    for host in situation.hosts() {
        match host.standing {
            Standing::Finished => return None,
            Standing::Foreign(Foreign::OtherUid { uid }) => other = Some(uid),
            _ => {}
        }
    }
    other
}

/// Whether this machine is the one behind a Node of the cluster in Terraform's state, without a marker that says so. A
/// cluster that is being created has no such machine, so existing installations stay refused.
fn is_adoptable(wanted: &Wanted, observed: &Observed, host: &str, facts: &HostFacts) -> bool {
    let is_it = |api: &&ApiFacts| match &wanted.uid {
        Some(uid) => *uid == api.cluster_uid,
        // While it is being created, or after its state was lost, its other hosts identify it.
        None => facts.marker.damage().is_some() && is_marked(wanted, observed, &api.cluster_uid),
    };
    let Some(api) = observed.api_facts().filter(is_it) else { return false };
    let same_ca = !api.ca_sha256.is_empty() && facts.kubernetes.ca_sha256 == api.ca_sha256;
    let is_machine = |node: &NodeFacts| !facts.machine_id.is_empty() && node.machine_id == facts.machine_id;
    same_ca && api.nodes.get(host).is_some_and(is_machine)
}

/// Whether the marker of a control plane names the cluster with this uid.
fn is_marked(wanted: &Wanted, observed: &Observed, uid: &str) -> bool {
    let markers = wanted.spec.control_plane.keys().filter_map(|name| observed.facts(name)?.marker.as_ref());
    markers.into_iter().any(|marker| marker.cluster == wanted.spec.name && marker.uid.as_deref() == Some(uid))
}

/// Whether the cluster has a Node with this name.
fn has_node(observed: &Observed, host: &str) -> bool {
    observed.api_facts().is_some_and(|api| api.nodes.contains_key(host))
}

/// Whether a finished node was reset to join again, and the run was interrupted. If only files were deleted, their
/// record is still there.
pub(crate) fn was_reset(standing: Standing<'_>, facts: Option<&HostFacts>) -> bool {
    standing == Standing::Finished
        && facts.is_some_and(|facts| !facts.kubernetes.kubelet_conf && facts.changed_files.is_empty())
}

/// The systemd unit that runs kubeadm on a host.
pub const INIT_UNIT: &str = "kubeone-init";
pub const JOIN_UNIT: &str = "kubeone-join";

/// What an earlier attempt of `kubeadm init` or `join` left on a host, as a reason for the plan.
pub fn leftover(facts: &HostFacts, unit: &str) -> Option<String> {
    let text = match facts.units.get(unit) {
        Some(UnitState::Running) => "an earlier attempt is still running",
        Some(UnitState::Failed) => "an earlier attempt failed",
        Some(UnitState::Succeeded) => "an earlier attempt was interrupted at the end",
        None if facts.kubernetes.any() => "an earlier attempt was interrupted",
        None => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;
