//! The marker on a host: whose it is, and whether it ever was a finished node.

use kubeone_hosts::RemoteFile;
use kubeone_spec::ClusterSpec;

use crate::error::StepError;
use crate::observed::{HostFacts, Marker, MarkerFile, PackageVersions};
use crate::prepare;

pub(crate) const PATH: &str = "/etc/kubeone/cluster.json";
const PROVIDER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is said of a place with Kubernetes on it and a damaged marker.
pub(crate) fn unknown_owner(place: &str, reason: &str) -> String {
    format!("it is not known whose Kubernetes is on {place}: {PATH} is damaged, {reason}")
}

impl Marker {
    /// Reads what is in the file.
    pub(crate) fn parse(text: &str) -> MarkerFile {
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

    /// The marker of a host that is ours or nobody's; any other host is refused.
    pub(crate) fn claim(spec: &ClusterSpec, facts: &HostFacts) -> Result<Self, StepError> {
        let carries_kubernetes = facts.carries_kubernetes();
        match &facts.marker {
            MarkerFile::Good(marker) if marker.cluster == spec.name => Ok(marker.clone()),
            MarkerFile::Good(marker) => {
                Err(StepError::Refused { reason: format!("the host belongs to the cluster `{}`", marker.cluster) })
            }
            MarkerFile::Absent if carries_kubernetes => Err(StepError::Refused {
                reason: format!("the host carries a Kubernetes of somebody else: there is no {PATH}"),
            }),
            MarkerFile::Unusable { reason } if carries_kubernetes => {
                Err(StepError::Refused { reason: unknown_owner("the host", reason) })
            }
            MarkerFile::Absent | MarkerFile::Unusable { .. } => Ok(Self::begun(&spec.name, &facts.packages)),
        }
    }

    /// Of a host that is about to be prepared, and was nobody's so far.
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
    pub(crate) fn adopted(spec: &ClusterSpec, uid: &str, packages: &PackageVersions) -> Self {
        Self { adopted: true, ..Self::begun(&spec.name, packages).finished(spec, uid) }
    }

    /// Of a host whose marker was damaged. It no longer tells which packages were there before us, so all are kept.
    pub(crate) fn rewritten(spec: &ClusterSpec, facts: &HostFacts) -> Self {
        let adopted = prepare::MANAGED_FILES.into_iter().all(|path| !facts.files.contains_key(path));
        Self { adopted, ..Self::begun(&spec.name, &facts.packages) }.renewed(spec)
    }

    /// Of a host that became a node of the cluster with this uid. Its certificates are new.
    pub(crate) fn finished(self, spec: &ClusterSpec, uid: &str) -> Self {
        let uid = Some(uid.to_owned());
        Self { uid, provider_version: PROVIDER_VERSION.to_owned(), ..self }.renewed(spec)
    }

    /// Of a host whose certificates were made as the present settings want them.
    pub(crate) fn renewed(self, spec: &ClusterSpec) -> Self {
        Self { renew_trigger: spec.certificates.renew_trigger.clone(), ..self }
    }

    pub(crate) fn file(&self) -> Result<RemoteFile, StepError> {
        let mut content = serde_json::to_vec_pretty(self)
            .map_err(|error| StepError::Unreadable { what: PATH.to_owned(), reason: error.to_string() })?;
        content.push(b'\n');
        Ok(RemoteFile::public(PATH, content))
    }
}

impl PackageVersions {
    /// Each package of ours under the name its package manager knows, with its version.
    pub(crate) fn named(&self) -> [(&'static str, &str); 4] {
        [
            ("containerd.io", &self.containerd),
            ("kubelet", &self.kubelet),
            ("kubeadm", &self.kubeadm),
            ("kubectl", &self.kubectl),
        ]
    }
}
