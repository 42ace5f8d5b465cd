//! The recipe of an artefact: `artefact.toml` beside the `go.mod` it builds from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::definition;
use super::patch::{self, Patch};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    /// What the binaries call themselves.
    pub(super) version: String,
    /// Whether C code is linked in.
    #[serde(default)]
    pub(super) cgo: bool,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// For the linker, beside those that leave out debug information.
    #[serde(default)]
    pub(super) link_flags: String,
    /// Names of the binaries and the Go packages they are built from.
    pub(super) binaries: BTreeMap<String, String>,
    /// The folder with `go.mod`.
    #[serde(skip)]
    pub(super) module: PathBuf,
}

impl Recipe {
    pub(super) fn read(name: &str) -> Result<Self> {
        let text = patch::text_of(name, |name| definition(name).join("artefact.toml"))?;
        let recipe: Self = toml::from_str(&text).with_context(|| format!("could not read the recipe `{name}`"))?;
        let module = Patch::find(name)?.map_or_else(|| name.to_owned(), |patch| patch.of);
        Ok(Self { module: definition(&module), ..recipe })
    }

    /// Binaries that this folder lacks, and their packages.
    pub(super) fn missing(&self, folder: &Path) -> Vec<(&str, &str)> {
        let all = self.binaries.iter().map(|(binary, package)| (binary.as_str(), package.as_str()));
        all.filter(|(binary, _)| !folder.join(binary).exists()).collect()
    }
}
