//! Debian packages made of binaries and of the files below `lab/packages/files`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Progress;
use crate::lab::command::{command, output_of, run};
use crate::lab::{files, paths};

const MAINTAINER_SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    description: String,
    /// Fields of the control file beside the usual ones, such as `Depends`.
    #[serde(default)]
    relations: BTreeMap<String, String>,
    /// Paths on the host, and the binaries that go there, as `artefact/binary`.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
}

impl Package {
    /// Files that go into the package as they are, at the same paths; with maintainer scripts in `DEBIAN`.
    pub(super) fn plain_files(&self) -> PathBuf {
        paths::definitions().join("packages/files").join(&self.name)
    }
}

/// Builds one package into this folder.
pub(super) fn build(package: &Package, scratch: &Path, target: &Path, progress: &Progress) -> Result<()> {
    let root = scratch.join(&package.name);
    files::create_folder(&root.join("DEBIAN"))?;
    let plain = package.plain_files();
    if plain.exists() {
        run("cp", ["--recursive".as_ref(), plain.join(".").as_os_str(), root.as_os_str()])?;
    }
    super::lay_out_files(&package.files, &root, progress)?;
    let architecture = architecture()?;
    let kibibytes =
        run("du", ["--summarize".as_ref(), "--apparent-size".as_ref(), "--block-size=1K".as_ref(), root.as_os_str()])?;
    let size = kibibytes.split_whitespace().next().unwrap_or_default();
    files::write(&root.join("DEBIAN/control"), &control(package, &architecture, size))?;
    write_configuration_list(&root)?;
    for script in MAINTAINER_SCRIPTS.map(|name| root.join("DEBIAN").join(name)) {
        if script.exists() {
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        }
    }
    files::create_folder(target)?;
    let archive = target.join(format!("{}_{}_{architecture}.deb", package.name, package.version));
    // zstd: hosts unpack it several times faster than the usual xz.
    let mut build = command("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z3", "--build"]);
    output_of(build.args([&root, &archive]))
        .with_context(|| format!("could not build the package {}", package.name))?;
    files::remove(&root)
}

pub(super) fn architecture() -> Result<String> {
    Ok(run("dpkg", ["--print-architecture"])?.trim().to_owned())
}

fn control(package: &Package, architecture: &str, size: &str) -> String {
    let mut fields = vec![
        format!("Package: {}", package.name),
        format!("Version: {}", package.version),
        format!("Architecture: {architecture}"),
        format!("Installed-Size: {size}"),
        "Maintainer: kubeone lab <lab@kubeone.invalid>".to_owned(),
    ];
    fields.extend(package.relations.iter().map(|(field, value)| format!("{field}: {value}")));
    fields.push(format!("Description: {}\n", package.description));
    fields.join("\n")
}

/// Files below /etc are configuration: dpkg keeps what an administrator made of them.
fn write_configuration_list(root: &Path) -> Result<()> {
    let mut found = Vec::new();
    collect(&root.join("etc"), &mut found)?;
    let lines = found.iter().map(|path| format!("/{}\n", path.strip_prefix(root).unwrap_or(path).display()));
    let list: String = lines.collect();
    if list.is_empty() { Ok(()) } else { files::write(&root.join("DEBIAN/conffiles"), &list) }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in files::list(folder)? {
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}
