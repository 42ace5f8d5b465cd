//! Finds everything of a lab on this machine by its marks alone, so that it is found after a killed run too.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::{Lab, cgroup, files, mounts, network, paths, upstream};

/// What exists of a lab, in words.
pub(super) fn of(lab: &Lab) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let namespace = network::namespace(&lab.name);
    for name in marks(lab)? {
        let pids = cgroup::members(&name)?;
        found.extend(pids.iter().map(|pid| format!("process {pid} of `{name}`")));
    }
    for pid in network::members(&namespace)? {
        found.push(format!("process {pid} in the namespace `{namespace}`"));
    }
    found.extend(
        cgroup::names("kubeone-lab.")?
            .into_iter()
            .filter(|name| owner(name) == lab.name)
            .map(|name| format!("cgroup {name}")),
    );
    found.extend(namespaces_of(lab)?.into_iter().map(|name| format!("network namespace {name}")));
    found.extend(mounts::below(&lab.disks())?.iter().map(|path| format!("mount {}", path.display())));
    found.extend(
        upstream::rules_of(&lab.name)?.into_iter().map(|(table, chain, rule)| format!("{table} {chain} {rule}")),
    );
    for folder in [lab.disks(), lab.runtime()] {
        if folder.exists() {
            found.push(format!("folder {}", folder.display()));
        }
    }
    Ok(found)
}

/// The names of the lab's hosts, whole or half-made.
pub(super) fn hosts(lab: &Lab) -> Result<BTreeSet<String>> {
    let mut hosts: BTreeSet<String> = folder_names(&lab.disks())?;
    hosts.extend(files::list(&lab.runtime().join("hosts"))?.iter().filter_map(|path| stem(path)));
    let prefix = format!("{}.", network::namespace(&lab.name));
    hosts.extend(marks(lab)?.iter().filter_map(|mark| mark.strip_prefix(&prefix)).map(str::to_owned));
    Ok(hosts)
}

/// The names of all labs of which something exists.
pub(super) fn names() -> Result<BTreeSet<String>> {
    let mut names = folder_names(paths::runtime())?;
    names.extend(folder_names(&paths::cache()?.join("instances"))?);
    for mark in network::namespaces("kubeone-lab.")?.into_iter().chain(cgroup::names("kubeone-lab.")?) {
        names.insert(owner(&mark).to_owned());
    }
    Ok(names)
}

fn marks(lab: &Lab) -> Result<BTreeSet<String>> {
    let mut marks = namespaces_of(lab)?;
    marks.extend(cgroup::names("kubeone-lab.")?.into_iter().filter(|name| owner(name) == lab.name));
    Ok(marks)
}

fn namespaces_of(lab: &Lab) -> Result<BTreeSet<String>> {
    let all = network::namespaces("kubeone-lab.")?;
    Ok(all.into_iter().filter(|name| owner(name) == lab.name).collect())
}

/// `kubeone-lab.<lab>` and `kubeone-lab.<lab>.<host>` belong to `<lab>`.
fn owner(mark: &str) -> &str {
    mark.split('.').nth(1).unwrap_or_default()
}

fn folder_names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = files::list(folder)?;
    Ok(entries.iter().filter(|path| path.is_dir()).filter_map(|path| stem(path)).collect())
}

fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn a_mark_belongs_to_one_lab() {
        assert_eq!(owner("kubeone-lab.a"), "a");
        assert_eq!(owner("kubeone-lab.a.b"), "a");
        assert_eq!(owner("kubeone-lab.a-b.c"), "a-b");
    }
}
