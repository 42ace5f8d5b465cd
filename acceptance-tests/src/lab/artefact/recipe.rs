//! The recipe of an artefact: `artefact.toml` beside the `go.mod` it builds from.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::lab::files;

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
}

impl Recipe {
    pub(super) fn read(definition: &Path) -> Result<Self> {
        let path = definition.join("artefact.toml");
        toml::from_str(&files::read(&path)?).with_context(|| format!("could not read {}", path.display()))
    }
}
