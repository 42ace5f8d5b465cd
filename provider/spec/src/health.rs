//! How a cluster is right now: what to look at, and what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterReference, Span};

/// How a cluster is right now, for `check` blocks and for people. Reading it never fails because of the cluster: when
/// hosts cannot be reached, the API is silent or etcd is about to lose its quorum, `healthy` is `false` and `reasons` says
/// why. Only settings that cannot be used are errors. Where the plan has steps for the cluster, Terraform reads this when they
/// are done; `terraform plan -refresh-only` reads it at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterStatusSpec {
    /// The cluster, such as `kubeone_cluster.this`.
    pub cluster: ClusterReference,
    /// How long the look at the cluster may take.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// A cluster with a certificate that ends sooner than this is not healthy.
    #[serde(default = "default_certificates_valid_for")]
    pub certificates_valid_for: Span,
}

fn default_timeout() -> Span {
    Span(Duration::from_mins(1))
}

fn default_certificates_valid_for() -> Span {
    Span(Duration::from_hours(7 * 24))
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClusterHealth {
    /// Whether all is as it should be.
    pub healthy: bool,
    /// Why it is not, one sentence for each reason.
    pub reasons: Vec<String>,
    /// The same, by what is looked at.
    pub conditions: HealthConditions,
    /// Unique identity of the cluster; null when the API did not answer.
    pub id: Option<String>,
    /// Version of the API server that answered; null when none did.
    pub api_version: Option<String>,
    /// API servers by the names of their hosts.
    pub api_servers: BTreeMap<String, ApiServerHealth>,
    /// Nodes by their names, as the API knows them.
    pub nodes: BTreeMap<String, NodeHealth>,
    /// Members of etcd by the names of their hosts.
    pub etcd_members: BTreeMap<String, EtcdMemberHealth>,
    /// When certificates end, in UTC: by host, and there by file.
    pub certificates: BTreeMap<String, BTreeMap<String, String>>,
    /// When the first of them ends; null when none was seen. A kubelet's `kubelet.crt`, which it signed by itself and nobody verifies, does not count, here and for `conditions.certificates_valid`.
    pub certificates_expire_at: Option<String>,
    /// Addons by their names: whether they run everywhere they should.
    pub addons: BTreeMap<String, bool>,
}

/// Each is `false` also when it could not be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct HealthConditions {
    /// Every host answers over SSH and belongs to the cluster.
    pub hosts_reachable: bool,
    /// Every control plane has an API server that is ready.
    pub api_ready: bool,
    /// More than half of etcd's voting members are healthy.
    pub etcd_quorum: bool,
    /// All members of etcd are healthy, and each belongs to a control plane.
    pub etcd_healthy: bool,
    /// Every host is a node that is ready and runs the wanted version.
    pub nodes_ready: bool,
    /// No certificate ends within `certificates_valid_for`.
    pub certificates_valid: bool,
    /// All addons run everywhere they should.
    pub addons_ready: bool,
}

/// One API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApiServerHealth {
    /// Whether it says itself that it is ready.
    pub ready: bool,
    /// Its version, such as `v1.35.4`; null when it did not say.
    pub version: Option<String>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeHealth {
    /// `control_plane` or `worker`.
    pub role: String,
    /// Whether its kubelet says that it is ready.
    pub ready: bool,
    /// Whether new pods may come to it: `false` for a node that is cordoned.
    pub schedulable: bool,
    /// Version of the kubelet.
    pub kubelet_version: String,
}

/// One member of etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EtcdMemberHealth {
    /// Its id, hexadecimal as `etcdctl` prints it.
    pub id: String,
    /// Whether it has a vote. A learner has none yet.
    pub voter: bool,
    /// Whether it answers, and a leader with it.
    pub healthy: bool,
    /// Whether it leads.
    pub leader: bool,
    /// Its version; null when it did not say.
    pub version: Option<String>,
}
