//! What one script read from a host.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kubeone_spec::{ContainerdVersion, HostIdentity};
use serde::{Deserialize, Serialize};

use crate::{HeldSnapshot, MarkerFile};

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
    /// Files and arguments that the settings had us write for the control plane, so that they can go again.
    pub configured: Configured,
    /// Long steps that run or ran since the last boot, by unit name (`kubeone-init`, `kubeone-join`, …).
    pub units: BTreeMap<String, UnitState>,
    /// When certificates on the host end, by path: RFC 3339 in UTC, so that text compares like time.
    pub certificates: BTreeMap<String, String>,
    /// Certificates, by kubeadm's names, whose renewal was interrupted.
    pub renewal_begun: Vec<String>,
    /// Files of kubeadm that are not what they were when it had done its work, or gone.
    pub changed_files: Vec<String>,
    /// Whether there is a node here and no record of what kubeadm's files are to be. On a finished node of ours that
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
    pub fn carries_kubernetes(&self) -> bool {
        self.kubernetes.any() || self.kubelet_active
    }

    /// What time it was on the host, by which what is on it is judged; by another clock where it did not say.
    pub fn now(&self, otherwise: &str) -> Option<Timestamp> {
        self.clock.parse().or_else(|_| otherwise.parse()).ok()
    }
}

/// A restore of etcd that has begun on a control plane. It is stopped until that ends.
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
    /// How each component of the control plane runs, by the same names; empty where no manifest could be read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, ComponentFacts>,
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

/// What the manifest of a component says of how it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComponentFacts {
    /// Values by the names of flags. Of a flag that is given twice, the last one counts.
    pub arguments: BTreeMap<String, String>,
    /// Names of the volumes that are mounted.
    pub mounts: Vec<String>,
}

/// What was configured on a control plane, as its record says: names only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configured {
    /// Whether a change of it was interrupted.
    pub begun: bool,
    /// Names of arguments, by component.
    pub arguments: BTreeMap<String, Vec<String>>,
    /// Names of mounts, by component.
    pub mounts: BTreeMap<String, Vec<String>>,
    /// Paths.
    pub files: Vec<String>,
    /// With this value before it, a secret file is hashed: its fingerprint tells nothing without.
    pub salt: String,
    /// SHA-256 of the salt and a secret file, by path.
    pub fingerprints: BTreeMap<String, String>,
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
