//! Registry pages from the schema that the provider itself answers, so that no attribute is described twice.

mod page;
mod render;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What to do with pages that differ from the schema.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// Renders every page and writes it, or fails and names the stale ones.
pub(crate) fn run(root: &Path, schema: &serde_json::Value, mode: Mode) -> Result<()> {
    let provider = &schema["provider_schemas"][page::ADDRESS];
    if provider.is_null() {
        bail!("`terraform providers schema` knows no {}", page::ADDRESS);
    }
    let mut stale = Vec::new();
    let pages = page::all(root, provider)?;
    for (file, text) in &pages {
        let path = root.join(file);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if mode == Mode::Check {
            stale.push(file.display().to_string());
            continue;
        }
        let folder = path.parent().context("a page lies in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    for file in leftovers(root, &pages)? {
        if mode == Mode::Check {
            stale.push(format!("{} (no such thing in the schema)", file.display()));
        } else {
            std::fs::remove_file(root.join(&file)).with_context(|| format!("could not remove {}", file.display()))?;
        }
    }
    if stale.is_empty() { Ok(()) } else { bail!("stale pages: {}; run `cargo xtask docs`", stale.join(", ")) }
}

/// Generated pages whose resource no longer exists.
fn leftovers(root: &Path, pages: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for kind in ["resources", "data-sources", "ephemeral-resources", "functions", "actions", "guides"] {
        let folder = Path::new("docs").join(kind);
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries {
            let file = folder.join(entry?.file_name());
            if !pages.iter().any(|(page, _)| *page == file) {
                found.push(file);
            }
        }
    }
    Ok(found)
}
