//! The current health of a cluster: what to check, and what was observed.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterReference, Span};

/// The current health of a cluster, for `check` blocks and for people. Reading it never fails because of the cluster:
/// if hosts are unreachable, the API does not answer or etcd is about to lose its quorum, `healthy` is `false` and
/// `reasons` says why. Only invalid settings are errors. If the plan changes the cluster, Terraform reads this after
/// those changes; `terraform plan -refresh-only` reads it immediately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterStatusSpec {
    /// The cluster, such as `kubeone_cluster.this`.
    pub cluster: ClusterReference,
    /// How long reading the cluster may take.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// The cluster is unhealthy if a certificate expires sooner than this.
    #[serde(default = "default_certificates_valid_for")]
    pub certificates_valid_for: Span,
}

fn default_timeout() -> Span {
    Span(Duration::from_mins(1))
}

fn default_certificates_valid_for() -> Span {
    Span(Duration::from_hours(7 * 24))
}

/// What was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClusterHealth {
    /// Whether all conditions are met.
    pub healthy: bool,
    /// Why the cluster is unhealthy, one sentence per reason.
    pub reasons: Vec<String>,
    /// The conditions of health.
    pub conditions: HealthConditions,
    /// Unique ID of the cluster; null if the API did not answer.
    pub id: Option<String>,
    /// Version of the API server that answered; null if none did.
    pub api_version: Option<String>,
    /// API servers, by host name.
    pub api_servers: BTreeMap<String, ApiServerHealth>,
    /// Nodes that the API lists, by name.
    pub nodes: BTreeMap<String, NodeHealth>,
    /// etcd members, by host name.
    pub etcd_members: BTreeMap<String, EtcdMemberHealth>,
    /// When certificates expire, in UTC: by host, then by file.
    pub certificates: BTreeMap<String, BTreeMap<String, String>>,
    /// When the first certificate expires; null if none was seen. A kubelet's `kubelet.crt` that it signed itself does
    /// not count, here and for `conditions.certificates_valid`, because no client verifies it.
    pub certificates_expire_at: Option<String>,
    /// Whether each addon runs everywhere it should, by addon name.
    pub addons: BTreeMap<String, bool>,
}

/// A condition is also `false` if it could not be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct HealthConditions {
    /// Every host answers over SSH and belongs to the cluster.
    pub hosts_reachable: bool,
    /// Every control plane has an API server that is ready.
    pub api_ready: bool,
    /// More than half of the voting etcd members are healthy.
    pub etcd_quorum: bool,
    /// All etcd members are healthy, and each belongs to a control plane.
    pub etcd_healthy: bool,
    /// Every host is a node that is ready and runs the wanted Kubernetes version.
    pub nodes_ready: bool,
    /// No certificate expires within `certificates_valid_for`.
    pub certificates_valid: bool,
    /// All addons run everywhere they should.
    pub addons_ready: bool,
}

/// One API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApiServerHealth {
    /// Whether it reports that it is ready.
    pub ready: bool,
    /// Its version, such as `v1.35.4`; null if unknown.
    pub version: Option<String>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeHealth {
    /// `control_plane` or `worker`.
    pub role: String,
    /// Whether its kubelet reports that it is ready.
    pub ready: bool,
    /// Whether new pods can be scheduled on it: `false` for a cordoned node.
    pub schedulable: bool,
    /// Version of the kubelet.
    pub kubelet_version: String,
}

/// One etcd member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EtcdMemberHealth {
    /// Member ID, in hexadecimal as `etcdctl` prints it.
    pub id: String,
    /// Whether it has a vote. A learner has none.
    pub voter: bool,
    /// Whether it answers and knows a leader.
    pub healthy: bool,
    /// Whether it is the leader.
    pub leader: bool,
    /// Its version; null if unknown.
    pub version: Option<String>,
}
