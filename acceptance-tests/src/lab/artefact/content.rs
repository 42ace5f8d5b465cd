//! Hashes of definitions: what is in the cache under one was made from exactly this.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::lab::files;

/// A short hash over the names and contents of files, and of all files in folders.
pub(in crate::lab) fn hash(paths: &[&Path]) -> Result<String> {
    let mut state = Sha256::new();
    for root in paths {
        let mut found = Vec::new();
        collect(root, &mut found)?;
        found.sort();
        for path in found {
            add(&mut state, path.strip_prefix(root).unwrap_or(&path).as_os_str().as_encoded_bytes());
            add(&mut state, &std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?);
        }
    }
    Ok(shortened(state))
}

/// A short hash over texts.
pub(in crate::lab) fn hash_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut state = Sha256::new();
    for text in texts {
        add(&mut state, text.as_bytes());
    }
    shortened(state)
}

/// Lengths go in too: no two lists of parts give the same bytes.
fn add(state: &mut Sha256, part: &[u8]) {
    state.update(part.len().to_le_bytes());
    state.update(part);
}

fn shortened(state: Sha256) -> String {
    let mut text = hex::encode(state.finalize());
    text.truncate(16);
    text
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in files::list(path)? {
            collect(&entry, found)?;
        }
    } else {
        found.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a", "one");
        let before = hash(&[folder.path()]).unwrap();
        assert_eq!(before, hash(&[folder.path()]).unwrap());
        write("a", "two");
        let changed = hash(&[folder.path()]).unwrap();
        assert_ne!(before, changed);
        write("a", "one");
        write("b", "");
        assert_ne!(before, hash(&[folder.path()]).unwrap());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash_texts(["ab", "c"]), hash_texts(["a", "bc"]));
    }
}
