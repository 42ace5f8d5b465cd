//! Hardening of the control plane, as the CIS Kubernetes Benchmark asks for it.

use kubeone_spec::{AnonymousAccess, ClusterSpec, TlsMinVersion};

use crate::control_plane::{Component, Content, ControlPlane};

/// Who may ask API servers without credentials, and for what.
const AUTHENTICATION: &str = "/etc/kubernetes/kubeone-files/authentication.yaml";

pub(crate) fn contribute(spec: &ClusterSpec, desired: &mut ControlPlane) {
    let hardening = &spec.hardening;
    let of_kubernetes = [Component::ApiServer, Component::ControllerManager, Component::Scheduler];
    for component in of_kubernetes {
        desired.argument(component, "profiling", hardening.profiling.to_string());
        desired.argument(component, "tls-min-version", min_version(hardening.tls_min_version));
        if hardening.tls_min_version == TlsMinVersion::Tls12 {
            desired.argument(component, "tls-cipher-suites", hardening.cipher_suites().join(","));
        }
    }
    desired.argument(Component::ApiServer, "request-timeout", format!("{}s", hardening.request_timeout.0.as_secs()));
    let threshold = hardening.terminated_pod_gc_threshold.to_string();
    desired.argument(Component::ControllerManager, "terminated-pod-gc-threshold", threshold);
    if hardening.tls_min_version == TlsMinVersion::Tls12 {
        desired.argument(Component::Etcd, "cipher-suites", hardening.cipher_suites().join(","));
    } else {
        desired.argument(Component::Etcd, "tls-min-version", "TLS1.3");
    }
    if hardening.etcd_corruption_checks {
        // kubeadm sets the first of the two itself; the flag replaces its list.
        desired.argument(Component::Etcd, "feature-gates", "CompactHashCheck=true,InitialCorruptCheck=true");
        desired.argument(Component::Etcd, "corrupt-check-time", "4h0m0s");
    }
    anonymous_access(hardening.anonymous_access, desired);
}

fn min_version(version: TlsMinVersion) -> &'static str {
    match version {
        TlsMinVersion::Tls12 => "VersionTLS12",
        TlsMinVersion::Tls13 => "VersionTLS13",
    }
}

fn anonymous_access(access: AnonymousAccess, desired: &mut ControlPlane) {
    let anonymous = match access {
        AnonymousAccess::All => return,
        AnonymousAccess::HealthChecks => {
            "anonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n  - path: /readyz\n  - path: /healthz\n"
        }
    };
    let text = format!("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n{anonymous}");
    desired.argument(Component::ApiServer, "authentication-config", AUTHENTICATION);
    desired.file(Component::ApiServer, "kubeone-authentication", AUTHENTICATION, Content::Public(text));
}
