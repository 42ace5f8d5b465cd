//! Which content images must have: digests that were locked when the provider was built, and those that the settings name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kubeone_spec::ClusterSpec;
use serde::Deserialize;

/// The form of `versions/images.lock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageLock {
    images: BTreeMap<String, String>,
}

const FILE: &str = include_str!("../versions/images.lock");

static LOCKED: LazyLock<BTreeMap<String, String>> =
    // A file that does not parse is left out here and fails the test below.
    LazyLock::new(|| toml::from_str(FILE).map(|lock: ImageLock| lock.images).unwrap_or_default());

/// Digests by the full names of images. What the settings name counts: a mirror may have built its images itself.
pub fn digests(spec: &ClusterSpec) -> BTreeMap<String, String> {
    merged(&LOCKED, spec)
}

fn merged(locked: &BTreeMap<String, String>, spec: &ClusterSpec) -> BTreeMap<String, String> {
    locked.clone().into_iter().chain(spec.images.digests.clone()).collect()
}

#[cfg(test)]
mod tests {
    use kubeone_spec::{is_digest, is_image};

    use super::*;

    #[test]
    fn the_file_holds_names_and_digests() {
        let lock: ImageLock = toml::from_str(FILE).unwrap();
        for (image, digest) in lock.images {
            assert!(is_image(&image) && is_digest(&digest), "{image} = {digest}");
        }
    }

    #[test]
    fn settings_count_more_than_the_file() {
        let mut spec: ClusterSpec = serde_json::from_value(serde_json::json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } },
        }))
        .unwrap();
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(image, digest)| ((*image).to_owned(), (*digest).to_owned())).collect()
        };
        spec.images.digests = map(&[("r.io/a:1", "sha256:own"), ("r.io/c:1", "sha256:c")]);
        let locked = map(&[("r.io/a:1", "sha256:upstream"), ("r.io/b:1", "sha256:b")]);
        let expected = map(&[("r.io/a:1", "sha256:own"), ("r.io/b:1", "sha256:b"), ("r.io/c:1", "sha256:c")]);
        assert_eq!(merged(&locked, &spec), expected);
    }
}
