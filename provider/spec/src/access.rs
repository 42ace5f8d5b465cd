//! Access to a cluster: to which one, for whom, for how long, and the resulting kubeconfig.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::expose;
use crate::{ApiEndpoint, ClusterSpec, HostSpec, KubernetesVersion, Role, Secret, Span};

/// An existing cluster, with attributes of `kubeone_cluster`. Write `kubeone_cluster.this`. Written by hand, or from
/// the outputs of another configuration, these attributes are enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterReference {
    /// Unique ID of the cluster. Control planes with another ID are not used. While the ID is unknown because the
    /// cluster is yet to be created, Terraform waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the cluster.
    pub name: String,
    /// Kubernetes version, such as `1.35.4`.
    pub kubernetes_version: KubernetesVersion,
    /// Address at which clients reach the Kubernetes API.
    pub api_endpoint: ApiEndpoint,
    /// Control plane hosts, keyed by node name.
    pub control_plane: BTreeMap<String, HostSpec>,
    /// Worker hosts, keyed by node name.
    #[serde(default)]
    pub static_workers: BTreeMap<String, HostSpec>,
    /// Public SSH host keys that the machines must present, by host name, as `kubeone_cluster` stores them. The
    /// `ssh_host_key` of a host takes precedence. A host with neither is checked according to the provider's
    /// `host_key_policy`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ssh_host_keys: BTreeMap<String, String>,
}

impl ClusterReference {
    /// All hosts with their names and roles, control planes first.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, Role, &HostSpec)> {
        let control_plane = self.control_plane.iter().map(|(name, host)| (name.as_str(), Role::ControlPlane, host));
        let workers = self.static_workers.iter().map(|(name, host)| (name.as_str(), Role::Worker, host));
        control_plane.chain(workers)
    }

    /// A reference to the cluster with these settings.
    pub fn of(spec: &ClusterSpec, id: Option<String>) -> Self {
        Self {
            id,
            name: spec.name.clone(),
            kubernetes_version: spec.kubernetes_version,
            api_endpoint: spec.api_endpoint.clone(),
            control_plane: spec.control_plane.clone(),
            static_workers: spec.static_workers.clone(),
            ssh_host_keys: BTreeMap::new(),
        }
    }

    /// The settings that matter for reading the cluster; all others have their defaults.
    pub fn to_spec(&self) -> ClusterSpec {
        ClusterSpec {
            name: self.name.clone(),
            kubernetes_version: self.kubernetes_version,
            api_endpoint: self.api_endpoint.clone(),
            control_plane: self.control_plane.clone(),
            static_workers: self.static_workers.clone(),
            cluster_network: crate::ClusterNetwork::default(),
            roll_control_plane: false,
            drain: crate::Drain::default(),
            upgrade: crate::Upgrade::default(),
            containerd: crate::Containerd::default(),
            packages: crate::Packages::default(),
            images: crate::Images::default(),
            audit: None,
            hardening: crate::Hardening::default(),
            backup: crate::Backup::default(),
            restore: None,
            kubeconfig: KubeconfigInState::default(),
            certificates: crate::Certificates::default(),
            deletion: crate::Deletion::default(),
            timeouts: crate::Timeouts::default(),
        }
    }
}

/// A kubeconfig with a short-lived client certificate. It is issued on a control plane over SSH each time Terraform
/// needs it, so it does not depend on earlier credentials, and it is never stored: neither in the state nor on the disk
/// of a host.
///
/// A client certificate cannot be revoked, so closing the ephemeral resource does nothing. Keep `ttl` short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubeconfigSpec {
    /// The cluster, such as `kubeone_cluster.this`. If the cluster is yet to be created, Terraform opens the kubeconfig
    /// after that.
    pub cluster: ClusterReference,
    /// Name of the user, as it appears in the Kubernetes audit log.
    #[serde(default = "default_user")]
    pub user: String,
    /// Groups of the user. The default is kubeadm's group of administrators, whose permissions come from a
    /// ClusterRoleBinding.
    #[serde(default = "default_groups")]
    pub groups: Vec<String>,
    /// How long the certificate is valid, such as `1h`. It should outlast one Terraform run, but not by much.
    #[serde(default = "default_ttl")]
    pub ttl: Span,
    /// URL of the Kubernetes API for this client, such as `https://10.0.0.1:6443`. When unset, the `api_endpoint` of
    /// the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl KubeconfigSpec {
    /// For an administrator, with a certificate that is valid for this long.
    pub fn for_administrator(cluster: ClusterReference, ttl: Span) -> Self {
        Self { cluster, user: default_user(), groups: default_groups(), ttl, server: None }
    }

    /// URL of the Kubernetes API.
    pub fn host(&self) -> String {
        self.server.clone().unwrap_or_else(|| format!("https://{}", self.cluster.api_endpoint))
    }
}

fn default_user() -> String {
    "terraform".to_owned()
}

fn default_groups() -> Vec<String> {
    vec!["kubeadm:cluster-admins".to_owned()]
}

fn default_ttl() -> Span {
    Span(Duration::from_hours(1))
}

/// Whether the state stores a kubeconfig, for tools that read it from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeconfigInState {
    /// Store an administrator's kubeconfig in the state, as `kubeconfig_raw` and `kubernetes_client_configuration`.
    /// Anyone who can read the state is then an administrator of the cluster until `kubeconfig_expires_at`, because a
    /// client certificate cannot be revoked. Prefer `ephemeral "kubeone_kubeconfig"`, which stores nothing. Setting
    /// this back to `false` removes the kubeconfig from the state, but not from backups of the state.
    pub store_in_state: bool,
    /// How long the client certificate is valid. When less than a third of this time is left, the plan shows a new one.
    pub ttl: Span,
}

impl Default for KubeconfigInState {
    fn default() -> Self {
        Self { store_in_state: false, ttl: Span(Duration::from_hours(365 * 24)) }
    }
}

/// The parts of a kubeconfig that the `hashicorp/kubernetes` and `hashicorp/helm` providers accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientConfiguration {
    /// URL of the Kubernetes API.
    pub host: String,
    /// CA certificate of the cluster in PEM format.
    pub ca_certificate: String,
    /// Client certificate in PEM format.
    #[schemars(extend("x-sensitive" = true))]
    pub client_certificate: String,
    /// Private key of the client certificate in PEM format.
    #[serde(serialize_with = "expose")]
    #[schemars(extend("x-sensitive" = true))]
    pub client_key: Secret<String>,
}

impl From<Kubeconfig> for ClientConfiguration {
    fn from(kubeconfig: Kubeconfig) -> Self {
        let Kubeconfig { host, ca_certificate, client_certificate, client_key, .. } = kubeconfig;
        Self { host, ca_certificate, client_certificate, client_key }
    }
}

/// A kubeconfig, as a whole and as the parts that the `hashicorp/kubernetes` and `hashicorp/helm` providers accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kubeconfig {
    /// The kubeconfig as YAML, for clients that read a file.
    #[serde(serialize_with = "expose")]
    #[schemars(extend("x-sensitive" = true))]
    pub kubeconfig: Secret<String>,
    /// URL of the Kubernetes API.
    pub host: String,
    /// CA certificate of the cluster in PEM format.
    pub ca_certificate: String,
    /// Client certificate in PEM format.
    #[schemars(extend("x-sensitive" = true))]
    pub client_certificate: String,
    /// Private key of the client certificate in PEM format.
    #[serde(serialize_with = "expose")]
    #[schemars(extend("x-sensitive" = true))]
    pub client_key: Secret<String>,
    /// When the client certificate expires, in UTC, such as `2030-01-31T12:00:00Z`.
    pub expires_at: String,
}
