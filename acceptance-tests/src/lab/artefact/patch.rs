//! A patch version of a Kubernetes release, for upgrades to it: the sources of the release under another number. To a
//! cluster it is another version in every respect, and only linking takes time.
//!
//! It is a folder beside the release's, with a `patch.toml` as its only file. Recipe, packages and images are those of
//! the release, with the number and the name changed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::definition;
use super::recipe::Recipe;
use crate::lab::files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lab) struct Patch {
    /// The release, by the name of its recipe.
    pub(in crate::lab) of: String,
    version: String,
}

impl Patch {
    /// `None` for whatever is a release itself.
    pub(in crate::lab) fn find(name: &str) -> Result<Option<Self>> {
        let path = definition(name).join("patch.toml");
        if !path.exists() {
            return Ok(None);
        }
        toml::from_str(&files::read(&path)?).with_context(|| format!("could not read {}", path.display())).map(Some)
    }

    fn rewrite(&self, name: &str, text: &str, version: &str) -> String {
        text.replace(version, &self.version).replace(&format!("{}/", self.of), &format!("{name}/"))
    }
}

/// The text of a definition that `file` finds by name.
pub(super) fn text_of(name: &str, file: impl Fn(&str) -> PathBuf) -> Result<String> {
    let Some(patch) = Patch::find(name)? else { return files::read(&file(name)) };
    Ok(patch.rewrite(name, &files::read(&file(&patch.of))?, &Recipe::read(&patch.of)?.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_the_release_under_another_number() {
        let patch = Patch { of: "kubernetes-1.35".to_owned(), version: "1.35.5".to_owned() };
        let text = "name = \"kubelet:v1.35.4\"\nfiles = \"kubernetes-1.35/kubelet\"\nother = \"etcd-3.6.6/etcd\"";
        let expected = "name = \"kubelet:v1.35.5\"\nfiles = \"kubernetes-1.35.5/kubelet\"\nother = \"etcd-3.6.6/etcd\"";
        assert_eq!(patch.rewrite("kubernetes-1.35.5", text, "1.35.4"), expected);
    }

    #[test]
    fn every_patch_names_a_release() {
        for name in super::super::names("kubernetes-").unwrap() {
            if let Some(patch) = Patch::find(&name).unwrap() {
                assert_eq!(Recipe::read(&name).unwrap().version, patch.version);
                assert!(Patch::find(&patch.of).unwrap().is_none(), "{name} is a patch of a patch");
                assert_eq!(name, format!("kubernetes-{}", patch.version));
            }
        }
    }
}
