//! The copy of the checkout that faults are put into: always at the same place, so that its build stays warm.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::tool;
use crate::{project, run};

/// Makes the copy equal to the checkout, with what is not committed yet. Files that are the same are left alone, so that
/// cargo does not build them again.
pub(super) fn refresh() -> Result<PathBuf> {
    let copy = tool::folder()?.join("checkout");
    let wanted = files(project::root())?;
    for file in &wanted {
        update(&project::root().join(file), &copy.join(file))?;
    }
    for file in present(&copy, Path::new(""))?.difference(&wanted) {
        fs::remove_file(copy.join(file)).with_context(|| format!("could not remove {}", file.display()))?;
    }
    Ok(copy)
}

/// All that git keeps, or would keep.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = run::output(&mut git)?;
    let files = listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    // Git lists what was deleted and not committed, too.
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

fn update(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("could not read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    // With its permissions: scripts are run by tests. Its time becomes now, which is what cargo goes by.
    fs::copy(from, to).with_context(|| format!("could not write {}", to.display()))?;
    Ok(())
}

/// The files below a folder of the copy, but for what cargo builds there.
fn present(copy: &Path, folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let path = copy.join(folder);
    for entry in fs::read_dir(&path).with_context(|| format!("could not list {}", path.display()))? {
        let entry = entry.with_context(|| format!("could not list {}", path.display()))?;
        let file = folder.join(entry.file_name());
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.insert(file);
        } else if file != Path::new("target") {
            found.extend(present(copy, &file)?);
        }
    }
    Ok(found)
}
