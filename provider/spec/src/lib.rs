//! The user's settings: of a cluster, its hosts and the provider, as plain types.
//!
//! Each setting is defined here and nowhere else. The Terraform schema, the decoder and the registry docs are derived
//! from these types: users read the doc comment of a field, and `#[serde(default)]` is what null means.
//!
//! **Architecture invariant:** this crate does no I/O, and knows neither async code nor Terraform.

mod access;
mod audit;
mod backup;
mod certificates;
mod cluster;
mod containerd;
#[cfg(test)]
mod defaults;
mod drain;
mod finding;
mod hardening;
mod health;
mod host;
mod images;
mod kubelet;
mod network;
mod packages;
mod provider;
mod restore;
mod secret;
mod status;
mod upgrade;
mod validate;
mod version;

pub use access::{ClientConfiguration, ClusterReference, Kubeconfig, KubeconfigInState, KubeconfigSpec};
pub use audit::{Audit, AuditLog, AuditLogFormat, AuditWebhook, AuditWebhookMode};
pub use backup::Backup;
pub use certificates::Certificates;
pub use cluster::{ApiEndpoint, ClusterSpec, Deletion, Span, Timeouts, UnreachableHosts};
pub use containerd::{Containerd, ContainerdVersion};
pub use drain::{Drain, OnDrainTimeout};
pub use finding::{FieldPath, Finding, Severity, Step};
pub use hardening::{AnonymousAccess, Hardening, TlsMinVersion};
pub use health::{ApiServerHealth, ClusterHealth, ClusterStatusSpec, EtcdMemberHealth, HealthConditions, NodeHealth};
pub use host::{HostIdentity, HostSpec, Role, Taint, TaintEffect};
pub use images::{Images, is_digest, is_image};
pub use kubelet::KubeletSpec;
pub use network::{ClusterNetwork, Cni, Subnet};
pub use packages::Packages;
pub use provider::{
    BackupSettings, Bastion, HostKeyPolicy, ProgressSettings, ProviderSpec, SshSettings, UnpinnedControlPlane,
};
pub use restore::{Restore, RestoreSource};
pub use secret::Secret;
pub use status::{ClusterStatus, NodeStatus};
pub use upgrade::{MaxUnavailable, Upgrade, UpgradeDrain};
pub use validate::{
    NEWEST_MINOR, OLDEST_MINOR, validate_cluster, validate_cluster_status, validate_kubeconfig, validate_provider,
};
pub use version::KubernetesVersion;
