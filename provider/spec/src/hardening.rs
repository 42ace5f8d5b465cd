//! Hardening of the cluster's components, as the CIS Kubernetes Benchmark asks for it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding, Span};

/// Hardening of the cluster's components. The defaults follow the CIS Kubernetes Benchmark; each setting says what a
/// cluster may lose by it. A change restarts the components that it concerns, one host at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hardening {
    /// Serve profiling data (`/debug/pprof`) from the API server, the controller manager and the scheduler. It reveals
    /// how they work inside and costs them CPU time while it is read.
    pub profiling: bool,
    /// What the API servers answer without credentials: `health_checks` (only `/livez`, `/readyz` and `/healthz`) or
    /// `all` (whatever RBAC grants to `system:anonymous`, as Kubernetes does by default). `health_checks` breaks clients
    /// that read the cluster's CA, version or OpenID configuration without credentials, and cannot be combined with
    /// `--oidc-*` flags that were added to kubeadm's configuration by hand.
    pub anonymous_access: AnonymousAccess,
    /// Lowest TLS version that the API server, the controller manager, the scheduler and etcd accept:
    /// `1.2` or `1.3`. Clients without TLS 1.3 cannot connect with `1.3`.
    pub tls_min_version: TlsMinVersion,
    /// TLS 1.2 cipher suites that the same components accept, by their names in Go's `crypto/tls`. When unset, the
    /// ECDHE suites with AES-GCM or ChaCha20-Poly1305. `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256` must be among them:
    /// HTTP/2 needs it with the cluster's ECDSA certificates. TLS 1.3 has suites of its own that cannot be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cipher_suites: Option<Vec<String>>,
    /// How many terminated pods may exist before the controller manager deletes the oldest. Kubernetes' default of
    /// 12500 lets finished pods fill etcd. With less, the logs of finished pods are gone sooner. `0` turns it off.
    pub terminated_pod_gc_threshold: u32,
    /// How long the API server works on a request before it gives up; watches and other long-running requests are
    /// exempt. Raise it if large lists fail over slow connections.
    pub request_timeout: Span,
    /// etcd members compare their data when they start, and every few hours while they run. A member whose data differs
    /// does not start, or raises an alarm that stops writes, instead of serving wrong data.
    pub etcd_corruption_checks: bool,
}

impl Default for Hardening {
    fn default() -> Self {
        Self {
            profiling: false,
            anonymous_access: AnonymousAccess::HealthChecks,
            tls_min_version: TlsMinVersion::Tls12,
            tls_cipher_suites: None,
            terminated_pod_gc_threshold: 1000,
            request_timeout: Span(Duration::from_mins(1)),
            etcd_corruption_checks: true,
        }
    }
}

impl Hardening {
    /// The TLS 1.2 cipher suites that components accept.
    pub fn cipher_suites(&self) -> Vec<&str> {
        match &self.tls_cipher_suites {
            Some(suites) => suites.iter().map(String::as_str).collect(),
            None => DEFAULT_SUITES.to_vec(),
        }
    }
}

/// Who may ask the API servers without credentials, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AnonymousAccess {
    #[default]
    HealthChecks,
    All,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TlsMinVersion {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

const DEFAULT_SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
/// The others of `tls.CipherSuites()` for TLS 1.2: secure in Go's eyes, but without authenticated encryption.
const OTHER_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
/// With ECDSA certificates Go refuses to serve HTTP/2 without it, and the API server does not start.
const HTTP2_SUITE: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
/// The controller manager reads the threshold as 32 bits with a sign.
const MOST_TERMINATED_PODS: u32 = i32::MAX.unsigned_abs();

pub(crate) fn findings(hardening: &Hardening) -> Vec<Finding> {
    let path = FieldPath::root("hardening");
    let numbers = [("terminated_pod_gc_threshold", hardening.terminated_pod_gc_threshold, 0..=MOST_TERMINATED_PODS)];
    let out_of_range = numbers.into_iter().filter(|(_, value, range)| !range.contains(value));
    let mut findings: Vec<_> = out_of_range
        .map(|(field, value, range)| {
            let right = format!("Write a number from {} to {}.", range.start(), range.end());
            Finding::error(path.clone().field(field), format!("`{field}` cannot be {value}"), right)
        })
        .collect();
    if let Some(suites) = &hardening.tls_cipher_suites {
        findings.extend(cipher_suites(suites, hardening.tls_min_version, &path));
    }
    findings
}

fn cipher_suites(suites: &[String], min_version: TlsMinVersion, path: &FieldPath) -> Vec<Finding> {
    let own = path.clone().field("tls_cipher_suites");
    let is_known = |suite: &str| DEFAULT_SUITES.contains(&suite) || OTHER_SUITES.contains(&suite);
    let unknown = suites.iter().enumerate().filter(|(_, suite)| !is_known(suite));
    let mut findings: Vec<_> = unknown
        .map(|(number, suite)| {
            Finding::error(
                own.clone().index(number),
                format!("`{suite}` is not a secure TLS 1.2 cipher suite of Go"),
                format!("Use {}.", listed(DEFAULT_SUITES.iter().chain(&OTHER_SUITES))),
            )
        })
        .collect();
    let serves_http2 = || suites.iter().any(|suite| suite == HTTP2_SUITE);
    if min_version == TlsMinVersion::Tls13 {
        let finding = Finding::warning(
            own,
            "`tls_cipher_suites` has no effect with `tls_min_version = \"1.3\"`",
            "The suites of TLS 1.3 cannot be chosen. Remove the attribute.",
        );
        findings.push(finding.derived_from(path.clone().field("tls_min_version")));
    } else if findings.is_empty() && !serves_http2() {
        let finding = Finding::error(
            own,
            "the API server would not start with these cipher suites",
            format!("HTTP/2 needs `{HTTP2_SUITE}`."),
        );
        findings.push(finding.derived_from(path.clone().field("tls_min_version")));
    }
    findings
}

fn listed<'a>(suites: impl IntoIterator<Item = &'a &'a str>) -> String {
    suites.into_iter().map(|suite| format!("`{suite}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_hardened_and_have_no_findings() {
        let hardening = Hardening::default();
        assert_eq!(findings(&hardening), []);
        assert_eq!(hardening.cipher_suites(), DEFAULT_SUITES);
        let explicit = Hardening {
            tls_cipher_suites: Some(DEFAULT_SUITES.iter().chain(&OTHER_SUITES).map(ToString::to_string).collect()),
            ..hardening
        };
        assert_eq!(findings(&explicit), []);
        assert_eq!(explicit.cipher_suites().len(), DEFAULT_SUITES.len() + OTHER_SUITES.len());
    }
}
