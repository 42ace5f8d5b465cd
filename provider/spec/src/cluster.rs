//! The settings of a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Audit, Backup, Certificates, ClusterNetwork, Containerd, Drain, Hardening, HostSpec, Images, KubeconfigInState,
    KubernetesVersion, Packages, Restore, Role, Upgrade,
};

/// A Kubernetes cluster on existing hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    /// Name of the cluster: a DNS label. It cannot be changed.
    #[schemars(extend("x-immutable" = true))]
    pub name: String,
    /// Kubernetes version to run, such as `1.35.4`.
    pub kubernetes_version: KubernetesVersion,
    /// Address at which clients and nodes reach the Kubernetes API: a load balancer in front of the control planes, or
    /// the only control plane.
    pub api_endpoint: ApiEndpoint,
    /// Control plane hosts, keyed by node name.
    pub control_plane: BTreeMap<String, HostSpec>,
    /// Worker hosts, keyed by node name.
    #[serde(default)]
    pub static_workers: BTreeMap<String, HostSpec>,
    /// Pod and service network of the cluster.
    #[serde(default)]
    pub cluster_network: ClusterNetwork,
    /// Allow one apply to replace or remove more control planes than etcd could lose at once. They are handled one at a
    /// time, each only while etcd stays healthy without it. The old machines must run until they have left the cluster,
    /// so give them `create_before_destroy`.
    #[serde(default)]
    pub roll_control_plane: bool,
    /// How nodes are drained before they are removed or changed.
    #[serde(default)]
    pub drain: Drain,
    /// How nodes are upgraded to another Kubernetes version.
    #[serde(default)]
    pub upgrade: Upgrade,
    /// The container runtime of the nodes.
    #[serde(default)]
    pub containerd: Containerd,
    /// Where packages come from and which keys may sign them.
    #[serde(default)]
    pub packages: Packages,
    /// Images that nodes pull before anything runs on them.
    #[serde(default)]
    pub images: Images,
    /// The audit log of the API servers. When unset, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Hardening of the cluster's components. The defaults follow the CIS Kubernetes Benchmark.
    #[serde(default)]
    pub hardening: Hardening,
    /// etcd snapshots.
    #[serde(default)]
    pub backup: Backup,
    /// Restores etcd from a snapshot, or from the data of one surviving control plane. A restore runs once: the control
    /// planes remember it, so this may stay in the configuration. Data written since then is lost, so
    /// `deletion.protection` must be `false` if the cluster exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Whether the state stores a kubeconfig. By default it does not.
    #[serde(default)]
    pub kubeconfig: KubeconfigInState,
    /// When control plane certificates are renewed.
    #[serde(default)]
    pub certificates: Certificates,
    /// What happens when the resource is destroyed.
    #[serde(default)]
    pub deletion: Deletion,
    /// How long each operation may take, such as `30m` or `1h30m`.
    #[serde(default)]
    pub timeouts: Timeouts,
}

impl ClusterSpec {
    /// All hosts with their names and roles, control planes first.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, Role, &HostSpec)> {
        let control_plane = self.control_plane.iter().map(|(name, host)| (name.as_str(), Role::ControlPlane, host));
        let workers = self.static_workers.iter().map(|(name, host)| (name.as_str(), Role::Worker, host));
        control_plane.chain(workers)
    }

    /// The host with this name, whatever its role.
    pub fn host(&self, name: &str) -> Option<&HostSpec> {
        self.control_plane.get(name).or_else(|| self.static_workers.get(name))
    }
}

/// The address of the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiEndpoint {
    /// IP address or DNS name. It cannot be changed.
    #[schemars(extend("x-immutable" = true))]
    pub host: String,
    /// TCP port.
    #[serde(default = "default_api_port")]
    #[schemars(extend("x-immutable" = true))]
    pub port: u16,
    /// Additional names and addresses in the API server's certificate. Adding one renews that certificate, one control
    /// plane at a time. A removed one disappears when the certificate is renewed next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternative_names: Vec<String>,
}

fn default_api_port() -> u16 {
    6443
}

impl ApiEndpoint {
    /// Whether it is the address of this host.
    pub fn is_on(&self, host: &HostSpec) -> bool {
        self.host == host.address || self.host == host.node_address()
    }
}

impl std::fmt::Display for ApiEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What happens when the resource is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deletion {
    /// Refuse to plan the destruction of the cluster. To destroy it, set this to `false` and apply first.
    pub protection: bool,
    /// What to do with hosts that cannot be reached while the cluster is destroyed: `skip` them with a warning, or
    /// `fail`. Nothing is destroyed if a host answers but refuses the login, or if no host can be reached.
    pub unreachable_hosts: UnreachableHosts,
    /// Remove the packages that were installed for the cluster. Packages that were on the host before are kept.
    pub remove_packages: bool,
    /// Keep the etcd snapshots in `/var/backups/kubeone` on control planes that are destroyed or leave the cluster.
    /// Snapshots contain every Secret of the cluster, so by default they are removed.
    pub keep_snapshots: bool,
}

impl Default for Deletion {
    fn default() -> Self {
        Self {
            protection: true,
            unreachable_hosts: UnreachableHosts::Skip,
            remove_packages: true,
            keep_snapshots: false,
        }
    }
}

/// What to do with hosts that cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UnreachableHosts {
    #[default]
    Skip,
    Fail,
}

/// How long each operation may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Time to create the cluster.
    pub create: Span,
    /// Time to change the cluster.
    pub update: Span,
    /// Time to remove the cluster from its hosts.
    pub delete: Span,
    /// Time to read the cluster before a plan.
    pub read: Span,
    /// Time to wait for another apply on the same cluster before this one fails and reports who is running it.
    pub lock: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Span(Duration::from_secs(n * 60));
        Self { create: minutes(60), update: minutes(120), delete: minutes(30), read: minutes(1), lock: minutes(10) }
    }
}

/// In seconds. A clock overflows long before 64 bits of seconds, and a longer span is a mistake in the unit.
const LONGEST_SPAN: u64 = 10 * 365 * 24 * 3600;

/// A duration in Go's notation, as Terraform users write it: `90s`, `30m`, `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is not a duration: write hours, minutes and seconds, such as `1h30m`");
        let mut rest = text;
        let mut seconds: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            let unit = match rest.as_bytes()[digits] {
                b'h' => 3600,
                b'm' => 60,
                b's' => 1,
                _ => return Err(error()),
            };
            seconds = number.checked_mul(unit).and_then(|n| seconds.checked_add(n)).ok_or_else(error)?;
            rest = &rest[digits + 1..];
        }
        if seconds > LONGEST_SPAN {
            return Err(format!("`{text}` is more than ten years (`87600h`)"));
        }
        if seconds == 0 { Err(error()) } else { Ok(Self(Duration::from_secs(seconds))) }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        for (amount, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["30m"] })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_parse_and_print() {
        let span: Span = "1h30m".parse().unwrap();
        assert_eq!(span.0, Duration::from_mins(90));
        assert_eq!(span.to_string(), "1h30m");
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "1m30s");
        for bad in ["", "30", "m", "0s", "1d", "é", "1é", "500µs", "99999999999999999999h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn absent_settings_mean_their_defaults() {
        let spec: ClusterSpec = serde_json::from_value(serde_json::json!({
            "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        }))
        .unwrap();
        assert_eq!(spec.api_endpoint.to_string(), "10.0.0.1:6443");
        assert_eq!(spec.cluster_network.pod_subnet.to_string(), "10.244.0.0/16");
        assert!(spec.deletion.protection);
    }
}
