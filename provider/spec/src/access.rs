//! A way into a cluster: which one, for whom, for how long, and what comes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::expose;
use crate::{ApiEndpoint, ClusterSpec, HostSpec, KubernetesVersion, Role, Secret, Span};

/// A cluster that exists already, in the words of `kubeone_cluster`. Write `kubeone_cluster.this`; by hand, or from the
/// outputs of another configuration, these of its attributes are enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterReference {
    /// Unique identity of the cluster. Control planes that carry another one are not used. As long as it is not known,
    /// because the cluster is still to be created, Terraform waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the cluster.
    pub name: String,
    /// Version of Kubernetes, such as `1.35.4`.
    pub kubernetes_version: KubernetesVersion,
    /// Where clients reach the Kubernetes API.
    pub api_endpoint: ApiEndpoint,
    /// Hosts of the control plane.
    pub control_plane: BTreeMap<String, HostSpec>,
    /// Hosts of the workers.
    #[serde(default)]
    pub static_workers: BTreeMap<String, HostSpec>,
    /// Public SSH host keys that the machines must show, by the names of the hosts, as `kubeone_cluster` keeps them. An
    /// `ssh_host_key` of a host comes first; a host with neither is checked as the provider's `host_key_policy` says.
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

    /// A cluster as its own settings describe it.
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

    /// Settings of the cluster, as far as they matter for looking at it.
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

/// A kubeconfig with a client certificate that lives for a short time. It is made on a control plane over SSH each time
/// Terraform needs it, so it works no matter what became of earlier credentials, and it is never stored: neither in the
/// state nor on the disk of a host.
///
/// A client certificate cannot be revoked, so there is nothing to do when Terraform is done with it. Keep `ttl` short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubeconfigSpec {
    /// The cluster, such as `kubeone_cluster.this`. When the cluster is still to be created, Terraform opens the
    /// kubeconfig after that.
    pub cluster: ClusterReference,
    /// Name of the user, as Kubernetes' audit log shows it.
    #[serde(default = "default_user")]
    pub user: String,
    /// Groups of the user. The default is kubeadm's group of administrators, whose rights are a ClusterRoleBinding.
    #[serde(default = "default_groups")]
    pub groups: Vec<String>,
    /// How long the certificate is valid, such as `1h`: longer than one run of Terraform takes, and not much longer.
    #[serde(default = "default_ttl")]
    pub ttl: Span,
    /// URL of the Kubernetes API for this client, such as `https://10.0.0.1:6443`. When absent, the `api_endpoint` of the
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl KubeconfigSpec {
    /// For an administrator, with a certificate that is valid for so long.
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

/// Whether the state keeps a kubeconfig, for tools that read it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeconfigInState {
    /// Keep an administrator's kubeconfig in the state, as `kubeconfig_raw` and `kubernetes_client_configuration`. Whoever
    /// can read the state is an administrator of the cluster until `kubeconfig_expires_at`, because a client certificate
    /// cannot be revoked. Where you can, use `ephemeral "kubeone_kubeconfig"` instead, which leaves nothing behind. Setting
    /// it to `false` again takes the kubeconfig out of the state, but not out of the state's backups.
    pub store_in_state: bool,
    /// How long the client certificate is valid. When less than a third of it is left, the plan shows a new one.
    pub ttl: Span,
}

impl Default for KubeconfigInState {
    fn default() -> Self {
        Self { store_in_state: false, ttl: Span(Duration::from_hours(365 * 24)) }
    }
}

/// The parts of a kubeconfig that the providers `hashicorp/kubernetes` and `hashicorp/helm` take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientConfiguration {
    /// URL of the Kubernetes API.
    pub host: String,
    /// Certificate of the cluster's CA in PEM format.
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

/// A kubeconfig, whole and in the parts that the providers `hashicorp/kubernetes` and `hashicorp/helm` take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kubeconfig {
    /// The kubeconfig as YAML, for clients that read a file.
    #[serde(serialize_with = "expose")]
    #[schemars(extend("x-sensitive" = true))]
    pub kubeconfig: Secret<String>,
    /// URL of the Kubernetes API.
    pub host: String,
    /// Certificate of the cluster's CA in PEM format.
    pub ca_certificate: String,
    /// Client certificate in PEM format.
    #[schemars(extend("x-sensitive" = true))]
    pub client_certificate: String,
    /// Private key of the client certificate in PEM format.
    #[serde(serialize_with = "expose")]
    #[schemars(extend("x-sensitive" = true))]
    pub client_key: Secret<String>,
    /// When the client certificate ends, in UTC, such as `2030-01-31T12:00:00Z`.
    pub expires_at: String,
}
