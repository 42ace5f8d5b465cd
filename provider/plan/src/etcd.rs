//! What follows from etcd's members: quorum, names, addresses.

use kubeone_facts::EtcdMember;
use kubeone_spec::HostSpec;

/// Whether so many members that answer are a quorum of these.
pub fn is_quorum(answering: usize, voting: usize) -> bool {
    answering * 2 > voting
}

/// Whether this is the member that kubeadm makes on this host: it has the name of the node, or, before it started for
/// the first time, only the address.
pub fn is_member_of(member: &EtcdMember, name: &str, host: &HostSpec) -> bool {
    member.name == name || member.peer_urls.contains(&peer_url(host))
}

/// What a member is called: one that never started has no name.
pub fn label(member: &EtcdMember) -> String {
    match member.name.as_str() {
        "" => format!("the member that never started at {}", member.peer_urls.join(", ")),
        name => name.to_owned(),
    }
}

/// Where other members reach the one on this host.
pub fn peer_url(host: &HostSpec) -> String {
    match host.node_address() {
        address if address.contains(':') => format!("https://[{address}]:2380"),
        address => format!("https://{address}:2380"),
    }
}
