//! What a machine that is wanted no more still has of the cluster. Plan and check decide by this alone.

use kubeone_facts::{EtcdMember, HostFacts, NodeFacts, Observed};
use kubeone_spec::Role;

use crate::etcd;
use crate::evidence::Evidence;
use crate::standing::Standing;
use crate::wanted::{LeavingHost, Wanted};

/// A machine that leaves, and what is left of it.
pub struct DepartingNode<'a> {
    pub name: &'a str,
    pub role: Role,
    /// The wanted host that takes its name or its address, or that is the same machine under another name. It can come
    /// only when this one is gone.
    pub replacement: Option<&'a str>,
    pub standing: Standing<'a>,
    pub has_node: bool,
    pub has_member: bool,
    /// Its Node is Ready, so its kubelet lives.
    is_ready: bool,
}

impl DepartingNode<'_> {
    /// Whether there is something of it to remove. What cannot be seen and left nothing in the cluster is gone.
    pub fn needs_removal(&self) -> bool {
        self.has_node || self.has_member || matches!(self.standing, Standing::Begun | Standing::Finished)
    }

    /// Whether its machine can be asked.
    pub fn is_reachable(&self) -> bool {
        matches!(self.standing, Standing::Begun | Standing::Finished)
    }

    /// Whether its machine can go in good order, with pods that leave it one after the other: it can be asked, or it is a
    /// worker that only SSH does not reach. Of a control plane nobody knows then whether its member of etcd lives.
    pub fn can_drain(&self) -> bool {
        self.is_reachable() || self.role == Role::Worker && self.is_ready
    }
}

/// All machines that leave, by name. The standings are theirs, in the same order.
pub(crate) fn departing_nodes<'a>(evidence: &Evidence<'a>, standings: &[Standing<'a>]) -> Vec<DepartingNode<'a>> {
    let (wanted, observed) = (evidence.wanted, evidence.observed);
    let node = |((name, leaving), standing): ((&'a String, &'a LeavingHost), &Standing<'a>)| {
        let node = observed.api_facts().and_then(|api| api.nodes.get(name));
        let node = node.filter(|node| !is_node_of(observed.facts(name), node));
        let its_member = |member: &EtcdMember| is_its_member(wanted, observed, name, leaving, member);
        let is_known = || observed.leaving_facts(name).is_some_and(|facts| evidence.known_ca(facts).is_some());
        let same_machine = same_machine(wanted, observed, name);
        DepartingNode {
            name,
            role: leaving.role,
            replacement: replacement(wanted, name, leaving).or(same_machine),
            standing: match standing {
                _ if same_machine.is_some() => Standing::Unreachable { reason: "it is wanted under another name" },
                // It goes, and needs no marker for that.
                Standing::Adoptable | Standing::Damaged { .. } if is_known() => Standing::Finished,
                other => *other,
            },
            has_node: node.is_some(),
            is_ready: node.is_some_and(|node| node.ready),
            has_member: leaving.role == Role::ControlPlane && evidence.members.iter().any(its_member),
        }
    };
    wanted.leaving.iter().zip(standings).map(node).collect()
}

/// The wanted host of the same name, or of the same address.
fn replacement<'a>(wanted: &'a Wanted, name: &str, leaving: &LeavingHost) -> Option<&'a str> {
    let hosts = || wanted.spec.hosts();
    let of_name = hosts().find(|(other, ..)| *other == name);
    let of_address = || hosts().find(|(.., host)| host.node_address() == leaving.host.node_address());
    of_name.or_else(of_address).map(|(name, ..)| name)
}

/// The wanted host that is this very machine, reached at another address.
fn same_machine<'a>(wanted: &'a Wanted, observed: &Observed, name: &str) -> Option<&'a str> {
    let node = observed.leaving_facts(name)?;
    // A machine id can be claimed; the key that a host showed to SSH cannot.
    let is_same = |other: &str| {
        let same = |facts: &HostFacts| facts.machine_id == node.machine_id && facts.ssh_host_key == node.ssh_host_key;
        !node.machine_id.is_empty() && observed.facts(other).is_some_and(same)
    };
    wanted.spec.hosts().map(|(other, ..)| other).find(|other| is_same(other))
}

/// Whether the machine with these facts is the one that registered the Node. A machine on which no kubelet was ever set
/// up has registered none, even when it is a copy of the one before it, machine id included.
pub fn is_node_of(machine: Option<&HostFacts>, node: &NodeFacts) -> bool {
    machine.is_some_and(|facts| {
        facts.kubernetes.kubelet_conf && !facts.machine_id.is_empty() && facts.machine_id == node.machine_id
    })
}

fn is_its_member(wanted: &Wanted, observed: &Observed, name: &str, leaving: &LeavingHost, member: &EtcdMember) -> bool {
    etcd::is_member_of(member, name, &leaving.host) && !is_member_of_wanted(wanted, observed, member)
}

/// Whether a machine that is wanted runs this member. One that holds no data of etcd runs none, whatever its name and
/// its address.
fn is_member_of_wanted(wanted: &Wanted, observed: &Observed, member: &EtcdMember) -> bool {
    wanted.spec.control_plane.iter().any(|(name, host)| {
        etcd::is_member_of(member, name, host) && observed.facts(name).is_some_and(|facts| facts.kubernetes.etcd_data)
    })
}
