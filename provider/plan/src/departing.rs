//! What a departing machine still has in the cluster.

use kubeone_facts::{EtcdMember, HostFacts, NodeFacts, Observed};
use kubeone_spec::Role;

use crate::etcd;
use crate::evidence::Evidence;
use crate::standing::Standing;
use crate::wanted::{LeavingHost, Wanted};

/// A machine that leaves the cluster, and what remains of it.
pub struct DepartingNode<'a> {
    pub name: &'a str,
    pub role: Role,
    /// The wanted host that takes its name or its address, or that is the same machine under another name. It can join
    /// only when this one is gone.
    pub replacement: Option<&'a str>,
    pub standing: Standing<'a>,
    pub has_node: bool,
    pub has_member: bool,
    /// Its Node is Ready, so its kubelet is running.
    is_ready: bool,
}

impl DepartingNode<'_> {
    /// Whether something has to be removed. An unreachable machine without Node and member is already gone.
    pub fn needs_removal(&self) -> bool {
        self.has_node || self.has_member || matches!(self.standing, Standing::Begun | Standing::Finished)
    }

    /// Whether its machine can be reached.
    pub fn is_reachable(&self) -> bool {
        matches!(self.standing, Standing::Begun | Standing::Finished)
    }

    /// Whether it can leave gracefully, with its pods evicted: it is reachable, or it is a worker that only SSH cannot
    /// reach. An unreachable control plane cannot, because its etcd member may be dead.
    pub fn can_drain(&self) -> bool {
        self.is_reachable() || self.role == Role::Worker && self.is_ready
    }
}

/// All departing machines, by name. `standings` are theirs, in the same order.
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
                // It is removed, so it needs no marker.
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

/// The wanted host with the same name or the same address.
fn replacement<'a>(wanted: &'a Wanted, name: &str, leaving: &LeavingHost) -> Option<&'a str> {
    let hosts = || wanted.spec.hosts();
    let of_name = hosts().find(|(other, ..)| *other == name);
    let of_address = || hosts().find(|(.., host)| host.node_address() == leaving.host.node_address());
    of_name.or_else(of_address).map(|(name, ..)| name)
}

/// The wanted host that is the same machine at another address.
fn same_machine<'a>(wanted: &'a Wanted, observed: &Observed, name: &str) -> Option<&'a str> {
    let node = observed.leaving_facts(name)?;
    // A host can claim any machine id, but not the key that it showed to SSH.
    let is_same = |other: &str| {
        let same = |facts: &HostFacts| facts.machine_id == node.machine_id && facts.ssh_host_key == node.ssh_host_key;
        !node.machine_id.is_empty() && observed.facts(other).is_some_and(same)
    };
    wanted.spec.hosts().map(|(other, ..)| other).find(|other| is_same(other))
}

/// Whether the machine with these facts registered the Node. A machine without a configured kubelet did not, even if it
/// is a copy of the previous machine, including its machine id.
pub fn is_node_of(machine: Option<&HostFacts>, node: &NodeFacts) -> bool {
    machine.is_some_and(|facts| {
        facts.kubernetes.kubelet_conf && !facts.machine_id.is_empty() && facts.machine_id == node.machine_id
    })
}

fn is_its_member(wanted: &Wanted, observed: &Observed, name: &str, leaving: &LeavingHost, member: &EtcdMember) -> bool {
    etcd::is_member_of(member, name, &leaving.host) && !is_member_of_wanted(wanted, observed, member)
}

/// Whether a wanted machine runs this member. A machine without etcd data runs none, whatever its name and address.
fn is_member_of_wanted(wanted: &Wanted, observed: &Observed, member: &EtcdMember) -> bool {
    wanted.spec.control_plane.iter().any(|(name, host)| {
        etcd::is_member_of(member, name, host) && observed.facts(name).is_some_and(|facts| facts.kubernetes.etcd_data)
    })
}
