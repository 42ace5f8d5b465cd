//! Quorum, names and addresses of etcd members.

use kubeone_facts::EtcdMember;
use kubeone_spec::HostSpec;

/// Whether this many available members are a quorum.
pub fn is_quorum(answering: usize, voting: usize) -> bool {
    answering * 2 > voting
}

/// Whether kubeadm created this member on this host: it has the name of the node or, before its first start, only the
/// address.
pub fn is_member_of(member: &EtcdMember, name: &str, host: &HostSpec) -> bool {
    member.name == name || member.peer_urls.contains(&peer_url(host))
}

/// The name of a member. One that never started has none.
pub fn label(member: &EtcdMember) -> String {
    match member.name.as_str() {
        "" => format!("the member that never started at {}", member.peer_urls.join(", ")),
        name => name.to_owned(),
    }
}

/// The URL of the member on this host for other members.
pub fn peer_url(host: &HostSpec) -> String {
    match host.node_address() {
        address if address.contains(':') => format!("https://[{address}]:2380"),
        address => format!("https://{address}:2380"),
    }
}
