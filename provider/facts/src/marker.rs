//! The marker on a host: whose it is, and whether it ever was a finished node.

use kubeone_spec::ClusterSpec;
use serde::{Deserialize, Serialize};

use crate::{HostFacts, PackageVersions};

pub const PATH: &str = "/etc/kubeone/cluster.json";
const PROVIDER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is said of a place with Kubernetes on it and a damaged marker.
pub fn unknown_owner(place: &str, reason: &str) -> String {
    format!("it is not known whose Kubernetes is on {place}: {PATH} is damaged, {reason}")
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
    /// the apply has finished.
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

/// The host is another cluster's, or carries a Kubernetes of unknown origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotOurs {
    pub reason: String,
}

impl Marker {
    /// Reads what is in the file.
    pub fn parse(text: &str) -> MarkerFile {
        let unusable = |reason: String| MarkerFile::Unusable { reason };
        if text.trim_matches(|c: char| c.is_whitespace() || c == '\0').is_empty() {
            return unusable("it is empty".to_owned());
        }
        match serde_json::from_str::<Self>(text) {
            Ok(marker) if marker.cluster.is_empty() => unusable("it names no cluster".to_owned()),
            Ok(marker) if marker.uid.as_deref() == Some("") => unusable("its uid is empty".to_owned()),
            Ok(marker) => MarkerFile::Good(marker),
            // The error would quote what is in it.
            Err(error) => unusable(format!("it is no marker as of line {}", error.line())),
        }
    }

    /// The marker of a host that is ours or unclaimed; any other host is refused.
    pub fn claim(spec: &ClusterSpec, facts: &HostFacts) -> Result<Self, NotOurs> {
        let carries_kubernetes = facts.carries_kubernetes();
        match &facts.marker {
            MarkerFile::Good(marker) if marker.cluster == spec.name => Ok(marker.clone()),
            MarkerFile::Good(marker) => {
                Err(NotOurs { reason: format!("the host belongs to the cluster `{}`", marker.cluster) })
            }
            MarkerFile::Absent if carries_kubernetes => {
                Err(NotOurs { reason: format!("the host carries a Kubernetes of somebody else: there is no {PATH}") })
            }
            MarkerFile::Unusable { reason } if carries_kubernetes => {
                Err(NotOurs { reason: unknown_owner("the host", reason) })
            }
            MarkerFile::Absent | MarkerFile::Unusable { .. } => Ok(Self::begun(&spec.name, &facts.packages)),
        }
    }

    /// Of a host that is about to be prepared, and was unclaimed so far.
    fn begun(cluster: &str, packages: &PackageVersions) -> Self {
        let present = |(name, version): &(&str, &str)| (!version.is_empty()).then(|| (*name).to_owned());
        Self {
            cluster: cluster.to_owned(),
            uid: None,
            replaces: None,
            renew_trigger: None,
            restored: None,
            provider_version: PROVIDER_VERSION.to_owned(),
            packages_kept: packages.named().iter().filter_map(present).collect(),
            adopted: false,
        }
    }

    /// Of a host that was a node of this cluster before it was ours. All that is on it was there before us.
    pub fn adopted(spec: &ClusterSpec, uid: &str, packages: &PackageVersions) -> Self {
        Self { adopted: true, ..Self::begun(&spec.name, packages).finished(spec, uid) }
    }

    /// Of a host whose marker was damaged. It no longer tells which packages were there before us, so all are kept.
    pub fn rewritten(spec: &ClusterSpec, facts: &HostFacts, adopted: bool) -> Self {
        Self { adopted, ..Self::begun(&spec.name, &facts.packages) }.renewed(spec)
    }

    /// Of a host that became a node of the cluster with this uid. Its certificates are new.
    #[must_use]
    pub fn finished(self, spec: &ClusterSpec, uid: &str) -> Self {
        let uid = Some(uid.to_owned());
        Self { uid, provider_version: PROVIDER_VERSION.to_owned(), ..self }.renewed(spec)
    }

    /// Of a host whose certificates were made as the present settings want them.
    #[must_use]
    pub fn renewed(self, spec: &ClusterSpec) -> Self {
        Self { renew_trigger: spec.certificates.renew_trigger.clone(), ..self }
    }
}

impl PackageVersions {
    /// Each package of ours under the name its package manager knows, with its version.
    pub fn named(&self) -> [(&'static str, &str); 4] {
        [
            ("containerd.io", &self.containerd),
            ("kubelet", &self.kubelet),
            ("kubeadm", &self.kubeadm),
            ("kubectl", &self.kubectl),
        ]
    }
}
