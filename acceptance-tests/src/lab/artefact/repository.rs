//! Signed apt repositories in the layout of the real ones: one file below `lab/packages` each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::package::{self, Package};
use super::{Progress, content, draft, keep, patch, signing, sources};
use crate::lab::command::{command, output_of};
use crate::lab::{files, paths};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    /// The server it is found on, and where there.
    host: String,
    path: String,
    /// The name of the file with the public key.
    key_file: String,
    /// A repository with suites and components; without, it is a flat one.
    suite: Option<Suite>,
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    name: String,
    component: String,
}

/// A repository in the cache and where it belongs on the web.
#[derive(Debug)]
pub(in crate::lab) struct Repository {
    pub(in crate::lab) host: String,
    pub(in crate::lab) path: String,
    pub(in crate::lab) folder: PathBuf,
}

/// Builds a repository that is not in the cache yet. Several names are releases that share one: it offers the packages
/// of all of them.
pub(in crate::lab) fn ensure(names: &[&str], progress: &Progress) -> Result<Repository> {
    let definition = definition(names)?;
    let name = names.first().context("a repository has a name")?;
    let folder = paths::cache()?.join("packages").join(format!("{name}-{}", key(names, &definition, progress)?));
    if !folder.exists() {
        let draft = draft(&folder)?;
        let task = progress.begin(&format!("packages {name}"), definition.package.len() + 1);
        build(&definition, &draft, progress, |what| task.step(what))?;
        task.done();
        keep(&draft, &folder)?;
    }
    Ok(Repository { host: definition.host, path: definition.path, folder })
}

/// How packages are made counts as much as what goes in.
const MAKER: &str = concat!(include_str!("package.rs"), include_str!("repository.rs"), include_str!("signing.rs"));

/// Builds the binaries that go into a repository.
pub(in crate::lab) fn ensure_binaries(name: &str, progress: &Progress) -> Result<()> {
    key(&[name], &definition(&[name])?, progress).map(drop)
}

fn definition(names: &[&str]) -> Result<Definition> {
    let mut merged: Option<Definition> = None;
    for name in names {
        let part: Definition =
            toml::from_str(&text(name)?).with_context(|| format!("could not read the packages `{name}`"))?;
        match &mut merged {
            None => merged = Some(part),
            Some(merged) => {
                let same_place = (&part.host, &part.path) == (&merged.host, &merged.path);
                ensure!(same_place, "`{name}` does not belong into the repository {}", merged.path);
                merged.add(part.package);
            }
        }
    }
    merged.context("a repository has a name")
}

impl Definition {
    /// Packages of other releases; what is in the same version in both is in there once.
    fn add(&mut self, packages: Vec<Package>) {
        for package in packages {
            let is_same = |known: &Package| (&known.name, &known.version) == (&package.name, &package.version);
            if !self.package.iter().any(is_same) {
                self.package.push(package);
            }
        }
    }
}

fn text(name: &str) -> Result<String> {
    patch::text_of(name, |name| paths::definitions().join("packages").join(format!("{name}.toml")))
}

/// Whatever changes a package changes the key: its maker, its definition, its plain files, the binaries.
fn key(names: &[&str], definition: &Definition, progress: &Progress) -> Result<String> {
    let mut parts = vec![MAKER.to_owned()];
    for name in names {
        parts.push(text(name)?);
    }
    for package in &definition.package {
        parts.push(content::hash(&[&package.plain_files()]).unwrap_or_default());
        for source in package.files.values() {
            parts.extend(sources(source, progress)?.iter().map(|path| path.display().to_string()));
        }
    }
    Ok(content::hash_texts(parts.iter().map(String::as_str)))
}

fn build(definition: &Definition, root: &Path, progress: &Progress, step: impl Fn(&str)) -> Result<()> {
    let architecture = package::architecture()?;
    let place = Place::of(definition, &architecture);
    let scratch = draft(&root.with_extension("scratch"))?;
    for package in &definition.package {
        step(&package.name);
        package::build(package, &scratch, &root.join(&place.packages), progress)?;
    }
    files::remove(&scratch)?;
    step("index and signature");
    write_index(root, &place, &architecture)?;
    std::fs::copy(signing::key_folder()?.join(signing::PUBLIC_KEY), root.join(&definition.key_file))
        .context("could not copy the public key")
        .map(drop)
}

/// Where things are in a repository, relative to its root.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    packages: PathBuf,
    index: PathBuf,
    release: PathBuf,
    /// Options for apt-ftparchive: what the release calls itself.
    release_options: Vec<String>,
}

impl Place {
    fn of(definition: &Definition, architecture: &str) -> Self {
        let option = |name: &str, value: &str| format!("APT::FTPArchive::Release::{name}={value}");
        let Some(Suite { name, component }) = &definition.suite else {
            return Self {
                packages: architecture.into(),
                index: PathBuf::new(),
                release: PathBuf::new(),
                release_options: vec![option("Architectures", architecture)],
            };
        };
        let release = Path::new("dists").join(name);
        Self {
            packages: release.join("pool").join(component).join(architecture),
            index: release.join(component).join(format!("binary-{architecture}")),
            release_options: vec![
                option("Suite", name),
                option("Codename", name),
                option("Components", component),
                option("Architectures", architecture),
            ],
            release,
        }
    }
}

fn write_index(root: &Path, place: &Place, architecture: &str) -> Result<()> {
    let index = root.join(&place.index);
    files::create_folder(&index)?;
    let mut scan = command("apt-ftparchive", ["--arch", architecture, "packages"]);
    let packages = output_of(scan.arg(&place.packages).current_dir(root))?;
    files::write(&index.join("Packages"), &packages)?;
    output_of(command("gzip", ["--keep", "--no-name", "Packages"]).current_dir(&index))?;

    let release = root.join(&place.release);
    let options = place.release_options.iter().flat_map(|option| ["-o", option]);
    let mut summary = command("apt-ftparchive", options);
    let summary = output_of(summary.args(["release", "."]).current_dir(&release))?;
    files::write(&release.join("Release"), &summary)?;
    signing::sign_release(&release)
}

/// Makes the repository visible on the web in one go.
pub(in crate::lab) fn publish(repository: &Repository, web: &Path) -> Result<()> {
    let place = web.join(&repository.host).join(&repository.path);
    let folder = place.parent().context("a repository has a path on its server")?;
    files::create_folder(folder)?;
    if std::fs::read_link(&place).is_ok_and(|target| target == repository.folder) {
        return Ok(());
    }
    let new = place.with_extension(format!("new.{}", std::process::id()));
    files::remove(&new)?;
    std::os::unix::fs::symlink(&repository.folder, &new)?;
    std::fs::rename(&new, &place).with_context(|| format!("could not publish {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(text: &str) -> Definition {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn releases_of_a_minor_share_their_repository() {
        let both = super::definition(&["kubernetes-1.35", "kubernetes-1.35.5"]).unwrap();
        let versions = |name: &str| -> Vec<&str> {
            both.package.iter().filter(|it| it.name == name).map(|it| it.version.as_str()).collect()
        };
        assert_eq!(versions("kubelet"), ["1.35.4-1.1", "1.35.5-1.1"]);
        assert_eq!(versions("kubernetes-cni").len(), 1);
        assert!(super::definition(&["kubernetes-1.35", "kubernetes-1.36"]).is_err());
    }

    const COMMON: &str = "host = 'h'\npath = 'p'\nkey_file = 'k'\npackage = []\n";

    #[test]
    fn a_flat_repository_has_its_index_at_the_top() {
        let place = Place::of(&definition(COMMON), "amd64");
        assert_eq!(place.packages, Path::new("amd64"));
        assert_eq!(place.index, Path::new(""));
    }

    #[test]
    fn a_suite_has_its_index_below_its_component() {
        let text = format!("{COMMON}suite = {{ name = 'bookworm', component = 'stable' }}");
        let place = Place::of(&definition(&text), "amd64");
        assert_eq!(place.packages, Path::new("dists/bookworm/pool/stable/amd64"));
        assert_eq!(place.index, Path::new("dists/bookworm/stable/binary-amd64"));
        assert_eq!(place.release, Path::new("dists/bookworm"));
    }
}
