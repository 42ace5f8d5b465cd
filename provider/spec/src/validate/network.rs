//! Validation of the cluster network and of addresses inside it. kubeadm, the API server, the controller manager and
//! the kubelet refuse the same settings, but later and one at a time.

use std::net::IpAddr;

use super::is_dns_label_or_number;
use crate::{ClusterSpec, Cni, FieldPath, Finding, HostSpec, Severity};

/// The range of pod addresses that each node gets: `--node-cidr-mask-size`.
const NODE_RANGE: u8 = 24;
/// The controller manager refuses to divide a subnet into more than 2^16 ranges.
const WIDEST_POD_SUBNET: u8 = NODE_RANGE - 16;
/// The API server keeps a bit for each service address, and accepts at most 20 bits of addresses.
const WIDEST_SERVICE_SUBNET: u8 = 12;
/// kubeadm assigns the tenth address to DNS.
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
        findings.extend(inside(spec, address, &path, "the API's address"));
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
                format!("the service subnet {} overlaps the pod subnet {}", network.service_subnet, network.pod_subnet),
                "Choose two subnets that do not overlap.",
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
            "Each node uses a /24 of it. A /16 is enough for 256 nodes.",
        ),
        (
            "service",
            network.service_subnet,
            services,
            WIDEST_SERVICE_SUBNET,
            NARROWEST_SERVICE_SUBNET,
            "Each service uses one address of it, and DNS uses the tenth. A /16 is enough for 65000 services.",
        ),
    ];
    for (what, subnet, path, widest, narrowest, advice) in bounds {
        let prefix = subnet.0.prefix_len();
        if subnet.0.addr().is_ipv6() {
            findings.push(Finding::error(
                path,
                format!("{subnet} is an IPv6 subnet"),
                "Only IPv4 is supported. Write an IPv4 subnet, such as `10.244.0.0/16`.",
            ));
        } else if prefix > narrowest {
            findings.push(Finding::error(path, format!("the {what} subnet {subnet} is too small"), advice));
        } else if prefix < widest {
            findings.push(Finding::error(
                path,
                format!("the {what} subnet {subnet} is too large"),
                format!("Kubernetes accepts at most a /{widest}."),
            ));
        }
    }
    findings
}

/// A node without a range cannot run pods. With `cni = "none"`, the user's network plugin may assign ranges of its own.
fn node_ranges(spec: &ClusterSpec) -> Option<Finding> {
    let subnet = spec.cluster_network.pod_subnet;
    let prefix = subnet.0.prefix_len();
    if subnet.0.addr().is_ipv6() || !(WIDEST_POD_SUBNET..=NODE_RANGE).contains(&prefix) {
        return None;
    }
    let (ranges, hosts) = (1_usize << (NODE_RANGE - prefix), spec.hosts().count());
    let mut finding = Finding::error(
        field("pod_subnet"),
        format!("the pod subnet {subnet} has room for {ranges} nodes, but there are {hosts}"),
        "Each node uses a /24 of it. The subnet of an existing cluster cannot be changed: create a new cluster with a larger \
         one, or list fewer hosts.",
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
            format!("a node cannot have the IPv6 address {address}"),
            "Only IPv4 is supported. Set `private_address` to the IPv4 address at which other nodes reach this one.",
        )];
    }
    if !is_of_a_machine(address) {
        return vec![Finding::error(
            path,
            format!("other nodes cannot reach {address}"),
            "The kubelet and the API server refuse loopback, link-local, multicast and unspecified addresses. Set \
             `private_address` to the address at which other nodes reach this one.",
        )];
    }
    inside(spec, address, &path, "the host's address")
}

/// Whether the kubelet accepts it as the address of a node.
fn is_of_a_machine(address: IpAddr) -> bool {
    let is_link_local = matches!(address, IpAddr::V4(v4) if v4.is_link_local() || v4.is_broadcast());
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

/// Packets to such an address would never leave the cluster.
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
                format!("{whose} {address} is in the {what} subnet {subnet}"),
                format!("Choose a {what} subnet that contains no addresses of machines."),
            )
            .derived_from(of_subnet)
        })
        .collect()
}
