//! Container images and their digests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding};

/// Images that nodes pull before anything runs on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Digests of images, by full image name: `{ "registry.k8s.io/pause:3.10.1" = "sha256:…" }`. An image that is
    /// listed here is pulled by its digest, and setting up a node fails if its registry has different content under
    /// that name. The keys are names as `kubeadm config images list` prints them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
}

pub(crate) fn findings(images: &Images) -> Vec<Finding> {
    let path = |image: &String| FieldPath::root("images").field("digests").key(image);
    let names = images.digests.keys().filter(|image| !is_image(image)).map(|image| {
        Finding::error(
            path(image),
            format!("`{image}` is not the full name of an image"),
            "Write registry, path and tag, such as `registry.k8s.io/pause:3.10.1`, without a digest.",
        )
    });
    let digests = images.digests.iter().filter(|(_, digest)| !is_digest(digest)).map(|(image, digest)| {
        Finding::error(
            path(image),
            format!("`{digest}` is not a digest"),
            "Write `sha256:` and 64 lower-case hexadecimal digits, as registries do.",
        )
    });
    names.chain(digests).collect()
}

/// Whether it is a registry, a path and a tag, and nothing else, so that it is safe wherever it is written.
pub fn is_image(text: &str) -> bool {
    let Some((registry, rest)) = text.split_once('/') else { return false };
    let Some((path, tag)) = rest.rsplit_once(':') else { return false };
    let plain = |text: &str, more: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let is_registry = registry.contains(['.', ':']) || registry == "localhost";
    is_registry && plain(registry, ".-:") && path.split('/').all(|part| plain(part, "._-")) && plain(tag, "._-")
}

/// Whether it is a digest as registries write it.
pub fn is_digest(text: &str) -> bool {
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(is_lower_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(image: &str, digest: &str) -> Vec<String> {
        let images = Images { digests: BTreeMap::from([(image.to_owned(), digest.to_owned())]) };
        findings(&images).into_iter().map(|it| it.summary).collect()
    }

    #[test]
    fn names_and_digests_are_checked() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for good in
            ["registry.k8s.io/pause:3.10.1", "registry.k8s.io/coredns/coredns:v1.14.2", "localhost:5000/a_b/c:v1"]
        {
            assert_eq!(of(good, &digest), [""; 0], "{good}");
        }
        for bad in [
            "",
            "pause",
            "pause:3.10",
            "library/pause:3.10",
            "registry.k8s.io/pause",
            "registry.k8s.io/:v1",
            "registry.k8s.io/a b:v1",
            "registry.k8s.io/a:v1@sha256:00",
            "registry.k8s.io/../x:v1",
            "-r.io/a:v1",
            "registry.k8s.io/a:v1\nx.io/b:v2",
            "registry.k8s.io/$(id):v1",
        ] {
            assert_eq!(of(bad, &digest), [format!("`{bad}` is not the full name of an image")]);
        }
        let image = "registry.k8s.io/pause:3.10.1";
        for bad in ["", "sha256:", "sha512:00", &digest[..70], &digest.to_uppercase(), &format!("{digest}0")] {
            assert_eq!(of(image, bad), [format!("`{bad}` is not a digest")]);
        }
    }
}
