//! Where a host stands: whose it is, and how far it got on its way to a node. Plan and check decide by this alone.

use kubeone_facts::{ApiFacts, HostFacts, HostState, Marker, MarkerFile, NodeFacts, Observed, UnitState};
use kubeone_spec::Role;

use crate::situation::Situation;
use crate::wanted::Wanted;

/// How a host stands to the cluster that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Never looked at, as when its address is not known yet. It is taken for a new machine.
    Unseen,
    /// It does not answer, or does not let us look.
    Unreachable { reason: &'a str },
    /// Somebody else's. It is never touched.
    Foreign(Foreign<'a>),
    /// Kubernetes is on it, its marker cannot be used, and nothing else says whose it is. It is not touched, and not forgotten.
    Damaged { reason: &'a str },
    /// Nobody's: nothing of Kubernetes is on it.
    Bare,
    /// Ours, on its way, never a finished node: what is on it may be cleaned.
    Begun,
    /// Ours, and it was a finished node once.
    Finished,
    /// A node of the cluster that Terraform's state names, and no marker says that it is ours: another tool made it, or the
    /// marker is damaged.
    Adoptable,
}

/// Why a host is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign<'a> {
    OtherName {
        cluster: &'a str,
    },
    /// A cluster of the same name, but another one.
    OtherUid {
        uid: &'a str,
    },
    /// Kubernetes is on it, and no marker says whose.
    Unmarked,
}

pub(crate) fn standing<'a>(wanted: &Wanted, observed: &'a Observed, host: &str) -> Standing<'a> {
    if wanted.imported && !observed.hosts.contains_key(host) && has_node(observed, host) {
        return Standing::Adoptable;
    }
    standing_of(wanted, observed, host, observed.hosts.get(host))
}

/// The same of a machine that was seen so.
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

/// Whether Terraform's state means the cluster with this uid. It may have taken the place of one that was lost, by an apply
/// that did not come to its end: control planes say so, and more of them than still belong to the one before.
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

/// The uid of a cluster that is where the one of Terraform's state should be, and not the same.
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

/// Whether this is the very machine behind a Node of the cluster in Terraform's state, although no marker says so. For a
/// cluster that is to be made there is no such thing: what is on a host then stays refused.
fn is_adoptable(wanted: &Wanted, observed: &Observed, host: &str, facts: &HostFacts) -> bool {
    let is_it = |api: &&ApiFacts| match &wanted.uid {
        Some(uid) => *uid == api.cluster_uid,
        // While it is made, or after its state was lost, its other hosts tell it.
        None => facts.marker.damage().is_some() && is_marked(wanted, observed, &api.cluster_uid),
    };
    let Some(api) = observed.api_facts().filter(is_it) else { return false };
    let same_ca = !api.ca_sha256.is_empty() && facts.kubernetes.ca_sha256 == api.ca_sha256;
    let is_machine = |node: &NodeFacts| !facts.machine_id.is_empty() && node.machine_id == facts.machine_id;
    same_ca && api.nodes.get(host).is_some_and(is_machine)
}

/// Whether a control plane belongs to the cluster with this uid, by its marker.
fn is_marked(wanted: &Wanted, observed: &Observed, uid: &str) -> bool {
    let markers = wanted.spec.control_plane.keys().filter_map(|name| observed.facts(name)?.marker.as_ref());
    markers.into_iter().any(|marker| marker.cluster == wanted.spec.name && marker.uid.as_deref() == Some(uid))
}

/// Whether the cluster has a Node of this name.
fn has_node(observed: &Observed, host: &str) -> bool {
    observed.api_facts().is_some_and(|api| api.nodes.contains_key(host))
}

/// Whether a finished node was reset since, to join again, and an earlier run came no further. Where somebody has only taken
/// files away, their record is still there.
pub(crate) fn was_reset(standing: Standing<'_>, facts: Option<&HostFacts>) -> bool {
    standing == Standing::Finished
        && facts.is_some_and(|facts| !facts.kubernetes.kubelet_conf && facts.changed_files.is_empty())
}

/// The unit under which kubeadm works on a host.
pub const INIT_UNIT: &str = "kubeone-init";
pub const JOIN_UNIT: &str = "kubeone-join";

/// What an earlier run left of `kubeadm init` or `join` on a host that is no node, in words for the plan.
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
