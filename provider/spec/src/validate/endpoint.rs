//! Validation of the API's address and its alternative names.

use std::net::IpAddr;

use super::{is_dns_name, is_host, no_port};
use crate::{ApiEndpoint, FieldPath, Finding};

pub(super) fn findings(endpoint: &ApiEndpoint) -> Vec<Finding> {
    let path = FieldPath::root("api_endpoint");
    let mut findings = Vec::new();
    if !is_host(&endpoint.host) {
        findings.push(Finding::error(
            path.clone().field("host"),
            format!("`{}` is neither an IP address nor a DNS name", endpoint.host),
            "Write the address of the load balancer without scheme and port; the port has its own attribute.",
        ));
    }
    if endpoint.port == 0 {
        findings.push(no_port(path.clone().field("port")));
    }
    let names = endpoint.alternative_names.iter().enumerate().filter(|(_, name)| !is_certificate_name(name));
    findings.extend(names.map(|(number, name)| {
        Finding::error(
            path.clone().field("alternative_names").index(number),
            format!("`{name}` is not valid in a certificate"),
            "Write an IP address, a lower-case DNS name, or `*.` and such a name, without scheme and port.",
        )
    }));
    findings
}

/// Whether kubeadm accepts it. kubeadm stores an invalid name in the cluster and fails afterwards. Numbers with dots
/// that are not an IP address are refused too, because kubeadm may read another address in them.
fn is_certificate_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || is_dns_name(name.strip_prefix("*.").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_certificate_can_have_are_refused() {
        let good = ["api.example.com", "kubernetes", "*.example.com", "1.example.com", "192.0.2.7", "2001:db8::7"];
        let bad = [
            "API.example.com",
            "api_1.example.com",
            "https://api.example.com",
            "api.example.com:6443",
            "api.*.example.com",
            "*",
            "192.0.2.07",
            "192.0.2.0/24",
            "fe80::1%eth0",
            "",
        ];
        let names: Vec<_> = good.into_iter().chain(bad).collect();
        let endpoint: ApiEndpoint =
            serde_json::from_value(serde_json::json!({ "host": "10.0.0.1", "alternative_names": names })).unwrap();
        let found: Vec<_> = findings(&endpoint).into_iter().map(|it| (it.path.to_string(), it.summary)).collect();
        let expected = bad.iter().enumerate().map(|(n, name)| {
            let path = format!("api_endpoint.alternative_names[{}]", good.len() + n);
            (path, format!("`{name}` is not valid in a certificate"))
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
