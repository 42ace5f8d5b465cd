//! Validation of settings before any host is contacted.

mod access;
#[cfg(test)]
mod bounds;
mod endpoint;
mod network;
mod node;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use access::{validate_cluster_status, validate_kubeconfig};

use crate::{ClusterSpec, FieldPath, Finding, HostKeyPolicy, HostSpec, KubernetesVersion, ProviderSpec, certificates};

/// The oldest and the newest supported minor release.
pub const OLDEST_MINOR: (u16, u16) = (1, 34);
pub const NEWEST_MINOR: (u16, u16) = (1, 37);

/// The kubelet also sets the name as a label, and label values have at most 63 characters.
const LONGEST_NODE_NAME: usize = 63;

/// Errors and warnings about a cluster's settings.
pub fn validate_cluster(spec: &ClusterSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_dns_label(&spec.name) {
        findings.push(Finding::error(
            FieldPath::root("name"),
            format!("`{}` is not a cluster name", spec.name),
            "Use at most 63 lower-case letters, digits and `-`, beginning with a letter and ending with a letter or digit.",
        ));
    }
    version(spec.kubernetes_version, &mut findings);
    findings.extend(endpoint::findings(&spec.api_endpoint));
    if spec.kubeconfig.store_in_state {
        findings.extend(access::lifetime(FieldPath::root("kubeconfig").field("ttl"), spec.kubeconfig.ttl));
    }
    hosts(spec, &mut findings);
    findings.extend(network::findings(spec));
    findings.extend(crate::packages::findings(&spec.packages));
    findings.extend(crate::images::findings(&spec.images));
    findings.extend(spec.audit.iter().flat_map(crate::audit::findings));
    findings.extend(crate::hardening::findings(&spec.hardening));
    findings.extend(crate::backup::findings(spec));
    findings.extend(crate::restore::findings(spec));
    findings.extend(certificates::findings(&spec.certificates));
    findings
}

/// Errors and warnings about the provider's settings.
pub fn validate_provider(spec: &ProviderSpec) -> Vec<Finding> {
    let ssh = FieldPath::root("ssh");
    let mut findings = Vec::new();
    let conflicts = [
        ("private_key", spec.ssh.private_key.is_some(), "private_key_file", spec.ssh.private_key_file.is_some()),
        ("certificate", spec.ssh.certificate.is_some(), "certificate_file", spec.ssh.certificate_file.is_some()),
    ];
    for (inline, inline_set, file, file_set) in conflicts {
        if inline_set && file_set {
            findings.push(Finding::error(
                ssh.clone().field(file),
                format!("both `{inline}` and `{file}` are set"),
                format!("Keep one: `{inline}` is the text itself, `{file}` is the path of a file that contains it."),
            ));
        }
    }
    findings.extend(crate::backup::settings_findings(&spec.backup));
    if spec.ssh.port == 0 {
        findings.push(no_port(ssh.clone().field("port")));
    }
    if spec.ssh.connect_timeout_seconds == 0 {
        findings.push(Finding::error(
            ssh.clone().field("connect_timeout_seconds"),
            "connections to hosts would time out after 0 seconds",
            "Write how many seconds a host has to answer, such as `20`.",
        ));
    }
    if let Some(bastion) = &spec.ssh.bastion {
        let path = ssh.clone().field("bastion");
        if !is_host(&bastion.host) {
            findings.push(Finding::error(
                path.clone().field("host"),
                format!("`{}` is neither an IP address nor a DNS name", bastion.host),
                "Write the address without scheme and port; the port has its own attribute.",
            ));
        }
        if bastion.port == Some(0) {
            findings.push(no_port(path.clone().field("port")));
        }
        if spec.ssh.host_key_policy == HostKeyPolicy::Pinned && bastion.ssh_host_key.is_none() {
            findings.push(Finding::error(
                path.field("ssh_host_key"),
                "the bastion has no pinned host key",
                "With `host_key_policy = \"pinned\"`, the bastion needs an `ssh_host_key` too.",
            ));
        }
    }
    findings
}

fn version(version: KubernetesVersion, findings: &mut Vec<Finding>) {
    let minor = (version.major, version.minor);
    if minor < OLDEST_MINOR || minor > NEWEST_MINOR {
        findings.push(Finding::error(
            FieldPath::root("kubernetes_version"),
            format!("Kubernetes {version} is not supported"),
            format!(
                "The supported releases are {}.{} to {}.{}.",
                OLDEST_MINOR.0, OLDEST_MINOR.1, NEWEST_MINOR.0, NEWEST_MINOR.1
            ),
        ));
    }
}

fn hosts(spec: &ClusterSpec, findings: &mut Vec<Finding>) {
    let control_planes = spec.control_plane.len();
    if control_planes == 0 {
        findings.push(Finding::error(
            FieldPath::root("control_plane"),
            "a cluster needs a control plane",
            "List 1, 3 or 5 hosts.",
        ));
    } else if control_planes.is_multiple_of(2) {
        let finding = Finding::warning(
            FieldPath::root("control_plane"),
            format!("{control_planes} is an even number of control planes"),
            format!(
                "etcd survives the loss of {} of {control_planes} members, the same as with {}. Use 1, 3 or 5.",
                (control_planes - 1) / 2,
                control_planes - 1
            ),
        );
        findings.push(finding.of_keys());
    }
    let endpoint = &spec.api_endpoint.host;
    if control_planes > 1
        && let Some((name, _)) = spec.control_plane.iter().find(|(_, host)| spec.api_endpoint.is_on(host))
    {
        findings.push(Finding::warning(
            FieldPath::root("api_endpoint").field("host"),
            format!("`{endpoint}` is the address of control plane `{name}`"),
            "All nodes reach the API there: if this host fails, the other control planes cannot be reached, and it can never be \
             removed. Use a load balancer, a floating IP address or a DNS name. The endpoint of a cluster cannot be changed \
             later.",
        ));
    }
    let mut by_address: BTreeMap<&str, FieldPath> = BTreeMap::new();
    let maps = [("control_plane", &spec.control_plane), ("static_workers", &spec.static_workers)];
    for (map, hosts) in maps {
        for (name, host) in hosts {
            let path = FieldPath::root(map).key(name);
            host_fields(name, host, &path, findings);
            if map == "static_workers" && spec.control_plane.contains_key(name) {
                findings.push(Finding::error(
                    path.clone(),
                    format!("`{name}` is also a control plane"),
                    "A key is the name of a node, so it must be unique.",
                ));
            }
            let mut addresses = vec![("address", host.address.as_str())];
            addresses.extend(host.private_address.as_deref().map(|address| ("private_address", address)));
            addresses.dedup_by_key(|(_, address)| *address);
            for (field, address) in addresses {
                let here = path.clone().field(field);
                if let Some(there) = by_address.insert(address, here.clone()) {
                    findings.push(
                        Finding::error(
                            here,
                            format!("the address `{address}` is used twice"),
                            format!("`{there}` has the same value. Each host needs its own address."),
                        )
                        .derived_from(there),
                    );
                }
            }
        }
    }
}

fn host_fields(name: &str, host: &HostSpec, path: &FieldPath, findings: &mut Vec<Finding>) {
    if !name.split('.').all(is_dns_label_or_number) || name.len() > LONGEST_NODE_NAME {
        findings.push(Finding::error(
            path.clone(),
            format!("`{name}` is not a node name"),
            format!(
                "Use at most {LONGEST_NODE_NAME} lower-case letters, digits, `-` and `.`, beginning and ending with a letter or \
                 digit."
            ),
        ));
    }
    if host.ssh_port == Some(0) {
        findings.push(no_port(path.clone().field("ssh_port")));
    }
    if !is_host(&host.address) {
        findings.push(Finding::error(
            path.clone().field("address"),
            format!("`{}` is neither an IP address nor a DNS name", host.address),
            "Write the address without scheme, user and port.",
        ));
    }
    if let Some(address) = &host.private_address
        && address.parse::<IpAddr>().is_err()
    {
        findings.push(Finding::error(
            path.clone().field("private_address"),
            format!("`{address}` is not an IP address"),
            "Nodes reach each other by IP address.",
        ));
    }
    findings.extend(node::findings(host, path));
    findings.extend(crate::kubelet::findings(&host.kubelet, &path.clone().field("kubelet")));
    if let Some(key) = &host.ssh_host_key
        && key.split_whitespace().count() < 2
    {
        findings.push(Finding::error(
            path.clone().field("ssh_host_key"),
            "this is not a public SSH host key",
            "Write the algorithm and the key, as in `/etc/ssh/ssh_host_ed25519_key.pub`: `ssh-ed25519 AAAA…`.",
        ));
    }
}

pub(crate) fn is_dns_label_or_number(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    text.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn is_dns_label(text: &str) -> bool {
    is_dns_label_or_number(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// An IP address or a DNS name. A name that ends in a number is a mistyped address, which resolvers refuse too.
pub(crate) fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_dns_name(&text.to_ascii_lowercase())
}

fn is_dns_name(text: &str) -> bool {
    let ends_in_number = text.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(is_dns_label_or_number) && !ends_in_number
}

fn no_port(path: FieldPath) -> Finding {
    Finding::error(path, "0 is not a port", "Write a TCP port from 1 to 65535.")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn findings(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut settings = json!({
            "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
            "static_workers": { "w-1": { "address": "10.0.0.9" } },
        });
        change(&mut settings);
        let spec = serde_json::from_value(settings).unwrap();
        validate_cluster(&spec).into_iter().map(|f| format!("{:?} {}: {}", f.severity, f.path, f.summary)).collect()
    }

    #[test]
    fn good_settings_have_no_findings() {
        assert_eq!(findings(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_named_with_its_path() {
        let cases: [(&str, Value, &str); 7] = [
            ("/name", json!("Prod"), "Error name: `Prod` is not a cluster name"),
            ("/kubernetes_version", json!("1.20.0"), "Error kubernetes_version: Kubernetes 1.20.0 is not supported"),
            (
                "/api_endpoint/host",
                json!("https://x"),
                "Error api_endpoint.host: `https://x` is neither an IP address nor a DNS name",
            ),
            ("/control_plane", json!({}), "Error control_plane: a cluster needs a control plane"),
            (
                "/static_workers/w-1/address",
                json!("10.0.0.1"),
                "Error static_workers[\"w-1\"].address: the address `10.0.0.1` is used twice",
            ),
            (
                "/static_workers/w-1/address",
                json!("10.244.3.4"),
                "Error static_workers[\"w-1\"].address: the host's address 10.244.3.4 is in the pod subnet 10.244.0.0/16",
            ),
            (
                "/static_workers",
                json!({"cp-1": {"address": "10.0.0.3"}}),
                "Error static_workers[\"cp-1\"]: `cp-1` is also a control plane",
            ),
        ];
        for (pointer, value, expected) in cases {
            let found = findings(|settings| *settings.pointer_mut(pointer).unwrap() = value);
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn an_even_number_of_control_planes_is_a_warning() {
        let found = findings(|settings| {
            settings["control_plane"]["cp-2"] = json!({"address": "10.0.0.2"});
            settings["api_endpoint"]["host"] = json!("10.0.0.100");
        });
        assert_eq!(found, ["Warning control_plane: 2 is an even number of control planes"]);
    }

    #[test]
    fn an_endpoint_that_is_one_of_several_control_planes_is_a_warning() {
        let found = findings(|settings| {
            settings["control_plane"]["cp-2"] = json!({"address": "10.0.0.2"});
            settings["control_plane"]["cp-3"] = json!({"address": "10.0.0.3"});
        });
        assert_eq!(found, ["Warning api_endpoint.host: `10.0.0.1` is the address of control plane `cp-1`"]);
    }

    #[test]
    fn how_many_there_are_is_known_before_their_addresses() {
        let settings = json!({
            "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" }, "cp-2": { "address": "10.0.0.2" } },
        });
        let found = validate_cluster(&serde_json::from_value(settings).unwrap());
        let control_plane = FieldPath::root("control_plane");
        assert!(!found[0].touches(&control_plane.clone().key("cp-2").field("address")));
        assert!(found[0].touches(&control_plane));
    }

    #[test]
    fn overlapping_subnets_are_refused() {
        let found = findings(|settings| settings["cluster_network"] = json!({"service_subnet": "10.244.128.0/20"}));
        assert_eq!(
            found,
            [
                "Error cluster_network.service_subnet: the service subnet 10.244.128.0/20 overlaps the pod subnet 10.244.0.0/16"
            ]
        );
    }

    #[test]
    fn ipv6_subnets_are_refused() {
        let found = findings(|settings| settings["cluster_network"] = json!({"pod_subnet": "fd00::/48"}));
        assert_eq!(found, ["Error cluster_network.pod_subnet: fd00::/48 is an IPv6 subnet"]);
    }

    #[test]
    fn a_pinned_policy_needs_a_pinned_bastion() {
        let spec: ProviderSpec = serde_json::from_value(json!({
            "ssh": { "host_key_policy": "pinned", "bastion": { "host": "b.example.com" } }
        }))
        .unwrap();
        assert_eq!(validate_provider(&spec)[0].path.to_string(), "ssh.bastion.ssh_host_key");
    }
}
