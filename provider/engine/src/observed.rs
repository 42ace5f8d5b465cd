//! What the world looked like when it was observed: plain data, kept in Terraform's private state between plan and apply.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kubeone_spec::{ContainerdVersion, HostIdentity, Taint};
use serde::{Deserialize, Serialize};

use crate::snapshots::HeldSnapshot;

/// Everything that was seen of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// When, in RFC 3339 and UTC; empty for what was never looked at. Certificates are judged by it.
    pub observed_at: String,
    /// By the name of the host, which is the name of its node.
    pub hosts: BTreeMap<String, HostState>,
    /// Machines that are wanted no more, by the same names; see [`crate::Wanted::leaving`].
    pub leaving: BTreeMap<String, HostState>,
    pub api: ApiState,
}

impl Observed {
    /// What was seen on a host, if it was reached.
    pub fn facts(&self, host: &str) -> Option<&HostFacts> {
        match self.hosts.get(host) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    /// What was seen on a machine that is wanted no more, if it was reached.
    pub fn leaving_facts(&self, host: &str) -> Option<&HostFacts> {
        match self.leaving.get(host) {
            Some(HostState::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    pub fn api_facts(&self) -> Option<&ApiFacts> {
        match &self.api {
            ApiState::Answered(facts) => Some(facts),
            _ => None,
        }
    }
}

/// One host, as far as it could be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HostState {
    Reached(Box<HostFacts>),
    /// It does not answer.
    Unreachable {
        reason: String,
    },
    /// It answers, and does not let us look: it rejects the login, shows another host key, or what it says cannot be read.
    Refuses {
        reason: String,
    },
}

impl HostState {
    /// Why nothing is known of the host.
    pub fn unseen(&self) -> Option<&str> {
        match self {
            Self::Reached(_) => None,
            Self::Unreachable { reason } | Self::Refuses { reason } => Some(reason),
        }
    }
}

/// What one script read from a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    pub hostname: String,
    pub machine_id: String,
    pub os: OperatingSystem,
    /// In Kubernetes' words: `amd64`, `arm64`.
    pub architecture: String,
    pub kernel: String,
    pub cgroup: CgroupVersion,
    /// Its own clock when it was looked at, in RFC 3339 and UTC; empty when it could not be read.
    pub clock: String,
    /// 0 when it could not be read.
    pub cpus: u32,
    /// 0 when it could not be read.
    pub memory_mib: u64,
    pub swap_active: bool,
    /// The least that is free where containers, etcd and the system live; 0 when it could not be read.
    pub free_disk_mib: u64,
    /// Public host key that SSH saw, as in `known_hosts` without the host name.
    pub ssh_host_key: String,
    /// How SSH knew that this is the right machine; `None` where it was not asked.
    pub identity: Option<HostIdentity>,
    pub marker: MarkerFile,
    pub packages: PackageVersions,
    /// Versions of containerd that the host's package lists offered when they were read last.
    pub containerd_offered: Vec<ContainerdVersion>,
    /// Our packages that are half installed, and programs of them that are none: what a power cut leaves behind.
    pub damaged: Vec<String>,
    pub containerd_active: bool,
    pub kubelet_active: bool,
    pub kubernetes: KubernetesFiles,
    /// SHA-256 of the files we write, by path; absent files are absent here.
    pub files: BTreeMap<String, String>,
    /// Long steps that run or ran since the last boot, by unit name (`kubeone-init`, `kubeone-join`, …).
    pub units: BTreeMap<String, UnitState>,
    /// When certificates on the host end, by path: RFC 3339 in UTC, so that text compares like time.
    pub certificates: BTreeMap<String, String>,
    /// Certificates, by kubeadm's names, whose renewal has begun and not come to its end.
    pub renewal_begun: Vec<String>,
    /// Files of kubeadm that are not what they were when it had done its work, or gone.
    pub changed_files: Vec<String>,
    /// Whether there is a node here and nobody has recorded how kubeadm's files are to be. On a finished node of ours that
    /// means that an upgrade of it was cut off.
    pub unrecorded: bool,
    /// Services of ours that do not start by themselves when the host boots.
    pub disabled_services: Vec<String>,
    /// Whom the API server's certificate names; empty where there is none.
    pub api_server_names: Vec<String>,
    /// Members of etcd as this host's own member sees them; empty when there is none or it does not answer.
    pub etcd_members: Vec<EtcdMember>,
    /// Content of our file with the kubelet's settings; empty when there is none.
    pub kubelet_settings: String,
    /// Snapshots of etcd that this host knows of.
    pub snapshots: Vec<HeldSnapshot>,
    /// The restore for which this control plane was stopped.
    pub restore: Option<BegunRestore>,
    /// Files of ours that decide something and cannot be used, by path, with the reason; but for the marker, which says so
    /// itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unusable_files: BTreeMap<String, String>,
}

impl HostFacts {
    /// Whether it is a node, or something is left on it of one.
    pub(crate) fn carries_kubernetes(&self) -> bool {
        self.kubernetes.any() || self.kubelet_active
    }

    /// What time it was on the host, by which what is on it is judged; by another clock where it did not say.
    pub(crate) fn now(&self, otherwise: &str) -> Option<Timestamp> {
        self.clock.parse().or_else(|_| otherwise.parse()).ok()
    }
}

/// A restore of etcd that has begun on a control plane. It is stopped until that comes to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BegunRestore {
    /// What is restored, as [`kubeone_spec::Restore::key`] says it.
    pub what: String,
    /// Whether etcd has the data already.
    pub replaced: bool,
}

/// From `/etc/os-release`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatingSystem {
    pub id: String,
    pub id_like: String,
    pub version_id: String,
    /// Name of the release in package repositories, such as `bookworm`.
    pub version_codename: String,
    /// The folder of `hosts/os` whose scripts fit; `None` when there is none.
    pub scripts: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    V1,
    #[default]
    V2,
}

/// `/etc/kubeone/cluster.json`: whose host this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub cluster: String,
    /// The uid of `kube-system`, written once this host is a finished node. A host whose marker has no uid never
    /// was one, so whatever Kubernetes left on it may be cleaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub provider_version: String,
    /// The uid of the cluster that was lost and in whose place this one was made. Terraform's state names that one until
    /// the apply has come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The value of `certificates.renew_trigger` for which certificates were made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_trigger: Option<String>,
    /// When etcd was restored last, and from what. It tells the present cluster from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<String>,
    /// Packages that were there before us; they stay when the cluster is removed.
    #[serde(default)]
    pub packages_kept: Vec<String>,
    /// The host was a node before it was ours. How its system is set up is its owner's business: our files are not
    /// expected on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

/// What is where a marker should be. One that cannot be used says nothing of whose the host is, and is not the same as none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MarkerFile {
    Good(Marker),
    /// Empty, cut off, a folder, or anything else that is no marker.
    Unusable {
        #[serde(rename = "unusable")]
        reason: String,
    },
    #[default]
    Absent,
}

impl MarkerFile {
    pub fn as_ref(&self) -> Option<&Marker> {
        match self {
            Self::Good(marker) => Some(marker),
            Self::Unusable { .. } | Self::Absent => None,
        }
    }

    pub fn as_mut(&mut self) -> Option<&mut Marker> {
        match self {
            Self::Good(marker) => Some(marker),
            Self::Unusable { .. } | Self::Absent => None,
        }
    }

    /// Why it is of no use.
    pub fn damage(&self) -> Option<&str> {
        match self {
            Self::Unusable { reason } => Some(reason),
            Self::Good(_) | Self::Absent => None,
        }
    }

    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

impl From<Marker> for MarkerFile {
    fn from(marker: Marker) -> Self {
        Self::Good(marker)
    }
}

/// Installed versions, without the packaging suffix; empty when not installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackageVersions {
    pub containerd: String,
    pub kubelet: String,
    pub kubeadm: String,
    pub kubectl: String,
}

/// What kubeadm and kubelet left in `/etc/kubernetes` and `/var/lib`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KubernetesFiles {
    pub admin_conf: bool,
    pub kubelet_conf: bool,
    /// Names in `/etc/kubernetes/manifests`, without `.yaml`.
    pub static_pods: Vec<String>,
    /// Image of each of them, by the same names.
    pub images: BTreeMap<String, String>,
    pub etcd_data: bool,
    /// SHA-256 of the certificate in `/etc/kubernetes/pki/ca.crt`; empty when absent.
    pub ca_sha256: String,
    /// `server` of kubelet.conf; empty when absent.
    pub api_server: String,
}

impl KubernetesFiles {
    pub fn any(&self) -> bool {
        self.admin_conf
            || self.kubelet_conf
            || self.etcd_data
            || !self.static_pods.is_empty()
            || !self.ca_sha256.is_empty()
    }
}

/// A transient systemd unit that carries a long step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtcdMember {
    /// Hexadecimal, as etcdctl prints it.
    pub id: String,
    /// Empty for a member that has not started yet.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub learner: bool,
}

/// The Kubernetes API, as far as it could be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ApiState {
    /// No host carries a control plane yet.
    #[default]
    Absent,
    Silent {
        reason: String,
    },
    Answered(Box<ApiFacts>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiFacts {
    pub cluster_uid: String,
    /// PEM.
    pub ca_certificate: String,
    /// SHA-256 of the same certificate.
    pub ca_sha256: String,
    pub version: String,
    pub nodes: BTreeMap<String, NodeFacts>,
    pub addons: BTreeMap<String, AddonState>,
    /// What is not there of that which `kubeadm init` leaves behind: its ConfigMaps, kube-proxy, CoreDNS.
    pub missing: Vec<String>,
    /// `kubernetesVersion` of kubeadm's configuration in the cluster, such as `v1.36.3`; empty when it could not be read.
    pub kubeadm_version: String,
    /// Tag of kube-proxy's image; empty when there is no kube-proxy of kubeadm's.
    pub kube_proxy_version: String,
    /// APIs that somebody asked for since the API server started, and that a later release does not have.
    pub deprecated_apis: Vec<DeprecatedApi>,
}

/// An API that is asked for and has been given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct DeprecatedApi {
    /// Such as `flowcontrol.apiserver.k8s.io/v1beta3`.
    pub group_version: String,
    pub resource: String,
    /// The first minor release without it, such as `1.32`.
    pub removed_release: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    pub ready: bool,
    pub control_plane: bool,
    pub unschedulable: bool,
    /// It is unschedulable because an operation of ours was interrupted.
    pub cordoned_by_us: bool,
    pub kubelet_version: String,
    pub container_runtime_version: String,
    pub internal_address: String,
    /// `/etc/machine-id` of the machine that registered the node.
    pub machine_id: String,
    pub settings: NodeSettings,
}

impl NodeFacts {
    /// What runs its containers, if it is not containerd. Components are restarted and looked at through containerd alone.
    pub(crate) fn other_runtime(&self) -> Option<&str> {
        let runtime = self.container_runtime_version.as_str();
        (!runtime.is_empty() && !runtime.starts_with("containerd://")).then_some(runtime)
    }
}

/// What we set on a node, and what others did as far as it stands in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSettings {
    /// Those that we set and nobody has changed since.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// All of them, without those of Kubernetes' own controllers.
    pub taints: Vec<Taint>,
    /// Those that we set; `None` where we never set any.
    pub own_taints: Option<Vec<Taint>>,
}

/// An addon as its inventory in the cluster describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddonState {
    /// Hash of what was applied last.
    pub hash: String,
    pub ready: bool,
    /// In words, what others did to its objects since.
    pub drift: Vec<String>,
}
