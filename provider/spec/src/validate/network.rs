//! What can be wrong with the network inside the cluster, and with addresses that lie in it. kubeadm, the API server, the
//! controller manager and the kubelet refuse the same, late and one after the other.

use std::net::IpAddr;

use super::is_dns_label_or_number;
use crate::{ClusterSpec, Cni, FieldPath, Finding, HostSpec, Severity};

/// The range of pod addresses that each node takes: `--node-cidr-mask-size`.
const NODE_RANGE: u8 = 24;
/// The controller manager refuses to cut a subnet into more than 2^16 ranges.
const WIDEST_POD_SUBNET: u8 = NODE_RANGE - 16;
/// The API server keeps a bit for each address of services, and takes at most 20 bits of them.
const WIDEST_SERVICE_SUBNET: u8 = 12;
/// kubeadm gives DNS the tenth address.
const NARROWEST_SERVICE_SUBNET: u8 = 28;

pub(super) fn findings(spec: &ClusterSpec) -> Vec<Finding> {
    let mut findings = subnets(spec);
    findings.extend(node_ranges(spec));
    let domain = &spec.cluster_network.cluster_domain;
    if domain.len() > 253 || !domain.split('.').all(is_dns_label_or_number) {
        findings.push(Finding::error(
            field("cluster_domain"),
            format!("`{domain}` is not a DNS domain"),
            "Write a domain such as `cluster.local`.",
        ));
    }
    for (name, role, host) in spec.hosts() {
        findings.extend(node_address(spec, host, &FieldPath::root(role.map()).key(name)));
    }
    if let Ok(address) = spec.api_endpoint.host.parse() {
        let path = FieldPath::root("api_endpoint").field("host");
        findings.extend(inside(spec, address, &path, "the address of the API"));
    }
    findings
}

fn field(name: &str) -> FieldPath {
    FieldPath::root("cluster_network").field(name)
}

fn subnets(spec: &ClusterSpec) -> Vec<Finding> {
    let network = &spec.cluster_network;
    let (pods, services) = (field("pod_subnet"), field("service_subnet"));
    let mut findings = Vec::new();
    if network.pod_subnet.overlaps(&network.service_subnet) {
        findings.push(
            Finding::error(
                services.clone(),
                format!("services ({}) and pods ({}) overlap", network.service_subnet, network.pod_subnet),
                "Choose two subnets that share no address.",
            )
            .derived_from(pods.clone()),
        );
    }
    let bounds = [
        (
            "pod",
            network.pod_subnet,
            pods,
            WIDEST_POD_SUBNET,
            NODE_RANGE,
            "Each node takes a /24 of it. Use a /16 for up to 256 nodes.",
        ),
        (
            "service",
            network.service_subnet,
            services,
            WIDEST_SERVICE_SUBNET,
            NARROWEST_SERVICE_SUBNET,
            "Each service takes an address of it, and DNS the tenth. Use a /16 for up to 65000 services.",
        ),
    ];
    for (what, subnet, path, widest, narrowest, advice) in bounds {
        let prefix = subnet.0.prefix_len();
        if subnet.0.addr().is_ipv6() {
            findings.push(Finding::error(
                path,
                format!("{subnet} is an IPv6 subnet"),
                "Clusters are IPv4 only so far. Write an IPv4 subnet, such as `10.244.0.0/16`.",
            ));
        } else if prefix > narrowest {
            findings.push(Finding::error(path, format!("the {what} subnet {subnet} is too small"), advice));
        } else if prefix < widest {
            findings.push(Finding::error(
                path,
                format!("the {what} subnet {subnet} is too large"),
                format!("Kubernetes takes no more than a /{widest}."),
            ));
        }
    }
    findings
}

/// A node without a range gets no pods to run. Where the user brings the network, its plugin may give out ranges of its own.
fn node_ranges(spec: &ClusterSpec) -> Option<Finding> {
    let subnet = spec.cluster_network.pod_subnet;
    let prefix = subnet.0.prefix_len();
    if subnet.0.addr().is_ipv6() || !(WIDEST_POD_SUBNET..=NODE_RANGE).contains(&prefix) {
        return None;
    }
    let (ranges, hosts) = (1_usize << (NODE_RANGE - prefix), spec.hosts().count());
    let mut finding = Finding::error(
        field("pod_subnet"),
        format!("the pod subnet {subnet} has room for {ranges} nodes, and there are {hosts}"),
        "Each node takes a /24 of it. The subnet of a cluster cannot change: choose a larger one for a new cluster, or name \
         fewer hosts.",
    );
    if spec.cluster_network.cni == Cni::None {
        finding.severity = Severity::Warning;
    }
    (hosts > ranges).then_some(finding)
}

fn node_address(spec: &ClusterSpec, host: &HostSpec, path: &FieldPath) -> Vec<Finding> {
    let path = path.clone().field(if host.private_address.is_some() { "private_address" } else { "address" });
    let Ok(address) = host.node_address().parse::<IpAddr>() else { return Vec::new() };
    if address.is_ipv6() {
        return vec![Finding::error(
            path,
            format!("nodes cannot have the IPv6 address {address}"),
            "Clusters are IPv4 only so far. Write the IPv4 address by which nodes reach each other as `private_address`.",
        )];
    }
    if !is_of_a_machine(address) {
        return vec![Finding::error(
            path,
            format!("other nodes cannot reach {address}"),
            "The kubelet and the API server refuse loopback, link-local, multicast and unspecified addresses. Write the \
             address by which nodes reach each other as `private_address`.",
        )];
    }
    inside(spec, address, &path, "the host's address")
}

/// What the kubelet takes as the address of a node.
fn is_of_a_machine(address: IpAddr) -> bool {
    let is_link_local = matches!(address, IpAddr::V4(v4) if v4.is_link_local() || v4.is_broadcast());
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

/// Packets to it would never leave the cluster.
fn inside(spec: &ClusterSpec, address: IpAddr, path: &FieldPath, whose: &str) -> Vec<Finding> {
    let network = &spec.cluster_network;
    let subnets = [
        ("pod", network.pod_subnet, field("pod_subnet")),
        ("service", network.service_subnet, field("service_subnet")),
    ];
    let clash = subnets.into_iter().filter(|(_, subnet, _)| subnet.0.contains(&address));
    clash
        .map(|(what, subnet, of_subnet)| {
            Finding::error(
                path.clone(),
                format!("{whose} {address} lies in the {what} subnet {subnet}"),
                format!("Choose a {what} subnet that contains no address outside of the cluster."),
            )
            .derived_from(of_subnet)
        })
        .collect()
}
