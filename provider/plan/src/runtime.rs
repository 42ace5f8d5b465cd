//! Which containerd version a host gets: the pinned one, or patch releases of the installed one.
//!
//! Without a pin, the plan uses the versions in the host's own package lists, which an observation reads without a
//! download. So equal observations make equal plans, and hosts that update their lists daily, as most systems do, get
//! patch releases as they are published. The minor release changes only with a pin, and the lists of one host do not
//! affect others.

use kubeone_desired::catalog;
use kubeone_desired::host_files::is_adopted;
use kubeone_facts::HostFacts;
use kubeone_spec::{ClusterSpec, ContainerdVersion};

use crate::situation::HostSituation;

/// Another containerd version for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: ContainerdVersion,
    pub to: ContainerdVersion,
}

/// The prefix of the containerd version that is installed with the packages of a host; empty if containerd is not ours.
/// A node keeps its version, which has its own action.
pub fn installed_with_packages(spec: &ClusterSpec, release: &catalog::MinorRelease, facts: &HostFacts) -> String {
    let is_node = facts.marker.as_ref().is_some_and(|marker| marker.uid.is_some());
    match (fitting(release, facts), spec.containerd.version) {
        _ if is_adopted(facts) => String::new(),
        (Some(present), _) if is_node => exactly(present),
        (_, Some(pinned)) => exactly(pinned),
        (_, None) => release.containerd.clone(),
    }
}

/// The prefix of all package versions of this release: the package revision follows.
pub fn exactly(version: ContainerdVersion) -> String {
    format!("{version}-")
}

/// The installed version, if this Kubernetes release supports it.
fn fitting(release: &catalog::MinorRelease, facts: &HostFacts) -> Option<ContainerdVersion> {
    let installed = facts.packages.containerd.as_str();
    if installed.starts_with(&release.containerd) { installed.parse().ok() } else { None }
}

/// The containerd change of a working node. Preparing the host replaces an unsupported or missing version, and that of
/// a host that is not a node yet.
pub(crate) fn change(spec: &ClusterSpec, host: &HostSituation<'_>) -> Option<Change> {
    let facts = host.facts?;
    if !host.is_finished() || host.node.is_none() || is_adopted(facts) {
        return None;
    }
    let from = fitting(catalog::release(spec.kubernetes_version)?, facts)?;
    let to = spec.containerd.version.or_else(|| newest_patch(from, &facts.containerd_offered))?;
    (to != from && !host.stands_aside()).then_some(Change { from, to })
}

/// The newest offered patch release of this version.
fn newest_patch(of: ContainerdVersion, offered: &[ContainerdVersion]) -> Option<ContainerdVersion> {
    offered.iter().copied().filter(|version| version.is_same_minor(of) && *version > of).max()
}

#[cfg(test)]
mod tests {
    use kubeone_facts::Marker;

    use super::*;

    fn version(text: &str) -> ContainerdVersion {
        text.parse().unwrap()
    }

    #[test]
    fn a_patch_release_is_newer_within_the_same_minor() {
        let offered = ["2.1.9", "2.2.3", "2.2.10", "2.2.9", "2.3.0", "3.2.11"].map(version);
        assert_eq!(newest_patch(version("2.2.3"), &offered), Some(version("2.2.10")));
        assert_eq!(newest_patch(version("2.2.10"), &offered), None);
        assert_eq!(newest_patch(version("2.2.11"), &offered), None, "never back");
        assert_eq!(newest_patch(version("2.4.0"), &offered), None);
    }

    #[test]
    fn packages_install_the_present_or_the_pinned_containerd() {
        let mut spec: ClusterSpec = serde_json::from_value(serde_json::json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        }))
        .unwrap();
        let release = catalog::release(spec.kubernetes_version).unwrap();
        let marker =
            |uid: Option<&str>, adopted| Some(Marker { uid: uid.map(str::to_owned), adopted, ..Marker::default() });
        let host = |marker: Option<Marker>, containerd: &str| {
            let marker = marker.map(Into::into).unwrap_or_default();
            let mut facts = HostFacts { marker, ..HostFacts::default() };
            containerd.clone_into(&mut facts.packages.containerd);
            facts
        };
        let cases = [
            (host(None, ""), ["2.", "2.2.5-"]),
            (host(None, "2.2.3"), ["2.", "2.2.5-"]),
            (host(marker(None, false), "2.2.3"), ["2.", "2.2.5-"]),
            (host(marker(Some("uid"), false), "2.2.3"), ["2.2.3-", "2.2.3-"]),
            (host(marker(Some("uid"), false), ""), ["2.", "2.2.5-"]),
            (host(marker(Some("uid"), false), "1.7.27"), ["2.", "2.2.5-"]),
            (host(marker(Some("uid"), true), "1.7.27"), ["", ""]),
        ];
        for (pin, index) in [(None, 0), (Some(version("2.2.5")), 1)] {
            spec.containerd.version = pin;
            for (facts, expected) in &cases {
                assert_eq!(installed_with_packages(&spec, release, facts), expected[index], "{facts:?}");
            }
        }
    }
}
