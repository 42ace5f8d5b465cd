//! Which containerd a host gets: the one that the settings name, or patch releases of the one it has.
//!
//! A plan takes no version out of the air: without a pin it goes by what the host's own package lists offered when they were
//! read last, which an observation sees without a download. So the same observation makes the same plan, and a cluster
//! whose hosts read their lists each day, as most systems do, gets patches as they come out. A minor release is never left
//! without a pin, and what one host offers moves no other host.

use kubeone_desired::catalog;
use kubeone_desired::host_files::is_adopted;
use kubeone_facts::HostFacts;
use kubeone_spec::{ClusterSpec, ContainerdVersion};

use crate::situation::HostSituation;

/// Another containerd for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: ContainerdVersion,
    pub to: ContainerdVersion,
}

/// The beginning of the version that a host gets when its packages are installed; empty where containerd is not ours.
/// That of a node stays: it is exchanged in a step of its own.
pub fn installed_with_packages(spec: &ClusterSpec, release: &catalog::MinorRelease, facts: &HostFacts) -> String {
    let is_node = facts.marker.as_ref().is_some_and(|marker| marker.uid.is_some());
    match (fitting(release, facts), spec.containerd.version) {
        _ if is_adopted(facts) => String::new(),
        (Some(present), _) if is_node => exactly(present),
        (_, Some(pinned)) => exactly(pinned),
        (_, None) => release.containerd.clone(),
    }
}

/// The beginning of all packages of this very version: behind it comes the revision of the package.
pub fn exactly(version: ContainerdVersion) -> String {
    format!("{version}-")
}

/// The version on this host, if this Kubernetes runs on it.
fn fitting(release: &catalog::MinorRelease, facts: &HostFacts) -> Option<ContainerdVersion> {
    let installed = facts.packages.containerd.as_str();
    if installed.starts_with(&release.containerd) { installed.parse().ok() } else { None }
}

/// What is to be done with the containerd of a node that works. One that does not fit, or is not there, is the preparation's
/// business; so is that of a host that is no node yet.
pub(crate) fn change(spec: &ClusterSpec, host: &HostSituation<'_>) -> Option<Change> {
    let facts = host.facts?;
    if !host.is_finished() || host.node.is_none() || is_adopted(facts) {
        return None;
    }
    let from = fitting(catalog::release(spec.kubernetes_version)?, facts)?;
    let to = spec.containerd.version.or_else(|| newest_patch(from, &facts.containerd_offered))?;
    (to != from && !host.stands_aside()).then_some(Change { from, to })
}

/// The newest patch release of this version among those that are offered.
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
    fn a_patch_release_is_newer_and_of_the_same_minor() {
        let offered = ["2.1.9", "2.2.3", "2.2.10", "2.2.9", "2.3.0", "3.2.11"].map(version);
        assert_eq!(newest_patch(version("2.2.3"), &offered), Some(version("2.2.10")));
        assert_eq!(newest_patch(version("2.2.10"), &offered), None);
        assert_eq!(newest_patch(version("2.2.11"), &offered), None, "never back");
        assert_eq!(newest_patch(version("2.4.0"), &offered), None);
    }

    #[test]
    fn packages_bring_what_the_host_has_or_may_have() {
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
