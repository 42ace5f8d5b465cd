//! What differs between minor releases of Kubernetes, as data: one file each in `versions/`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kubeone_spec::KubernetesVersion;
use serde::Deserialize;

/// One minor release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinorRelease {
    /// Versions of containerd that fit begin with this.
    pub containerd: String,
    /// `major.minor` of the oldest kernel that fits.
    pub minimum_kernel: String,
    /// Whether kubelet refuses to start on cgroup v1 unless it is told otherwise.
    pub refuses_cgroup_v1: bool,
    /// The image of the container that holds the namespaces of a pod, as kubeadm knows it.
    pub pause: String,
}

static RELEASES: LazyLock<BTreeMap<&str, MinorRelease>> = LazyLock::new(|| {
    let files: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/versions.rs"));
    // A file that does not parse is left out here and fails the test below.
    files.iter().filter_map(|(minor, text)| Some((*minor, toml::from_str(text).ok()?))).collect()
});

/// What is known about the minor release of a version.
pub fn release(version: KubernetesVersion) -> Option<&'static MinorRelease> {
    RELEASES.get(version.minor_release().as_str())
}

/// The minor releases that are known, oldest first.
pub fn known_releases() -> impl Iterator<Item = &'static str> {
    RELEASES.keys().copied()
}

#[cfg(test)]
mod tests {
    use kubeone_spec::{NEWEST_MINOR, OLDEST_MINOR};

    use super::*;

    #[test]
    fn each_supported_minor_has_its_file_and_no_other() {
        let supported: Vec<_> = (OLDEST_MINOR.1..=NEWEST_MINOR.1).map(|minor| format!("1.{minor}")).collect();
        assert_eq!(known_releases().collect::<Vec<_>>(), supported);
    }

    #[test]
    fn each_file_parses() {
        let files: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/versions.rs"));
        for (minor, text) in files {
            toml::from_str::<MinorRelease>(text).unwrap_or_else(|error| panic!("versions/{minor}.toml: {error}"));
        }
    }
}
