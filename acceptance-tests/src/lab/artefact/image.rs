//! Images assembled from folders: a set of them is one file below `lab/images`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Progress, content, draft, patch, sources, system_programs};
use crate::lab::{files, paths};

/// Runtimes search programs here where an image says nothing; some of the lab's images have them elsewhere.
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    image: Vec<Image>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    /// The full name and tag, as manifests write it.
    name: String,
    /// Paths in the image, and the binary that goes there, as `artefact/binary`.
    files: BTreeMap<String, String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// Whether programs of the machine for packet filter, routes and connections go in too.
    #[serde(default)]
    system_programs: bool,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    user: String,
}

/// An image as image-pusher reads it.
#[derive(Debug, Serialize)]
struct Assembled<'a> {
    name: &'a str,
    root: PathBuf,
    entrypoint: &'a [String],
    command: &'a [String],
    environment: [&'static str; 1],
    user: &'a str,
}

/// The roots of a set's images and the file that lists them. Removed once it is pushed: the registry keeps it.
#[derive(Debug)]
pub(in crate::lab) struct AssembledSet {
    pub(in crate::lab) list: PathBuf,
    folder: PathBuf,
}

/// How images are made counts as much as what goes in.
const MAKER: &str = concat!(include_str!("image.rs"), include_str!("system_programs.rs"));

/// What the set is made of, as a hash; the same set with the same binaries need not be pushed again.
pub(in crate::lab) fn key(set: &str, progress: &Progress) -> Result<String> {
    let definition = read(set)?;
    let pusher = content::hash(&[&super::definition("image-pusher")])?;
    let mut parts = vec![MAKER.to_owned(), pusher, text(set)?];
    for image in &definition.image {
        for source in image.files.values() {
            parts.extend(sources(source, progress)?.iter().map(|path| path.display().to_string()));
        }
        if image.system_programs {
            parts.push(system_programs::fingerprint()?);
        }
    }
    Ok(content::hash_texts(parts.iter().map(String::as_str)))
}

/// Lays out the root of every image of a set.
pub(in crate::lab) fn assemble(set: &str, progress: &Progress) -> Result<AssembledSet> {
    let definition = read(set)?;
    let folder = draft(&paths::cache()?.join("images").join(set))?;
    let mut assembled = Vec::new();
    for (index, image) in definition.image.iter().enumerate() {
        let root = folder.join(index.to_string());
        lay_out(image, &root, progress).with_context(|| format!("could not assemble the image {}", image.name))?;
        assembled.push(Assembled {
            name: &image.name,
            root,
            entrypoint: &image.entrypoint,
            command: &image.command,
            environment: [SEARCH_PATH],
            user: &image.user,
        });
    }
    let list = folder.join("images.json");
    files::write(&list, &serde_json::to_string_pretty(&assembled)?)?;
    Ok(AssembledSet { list, folder })
}

impl Drop for AssembledSet {
    fn drop(&mut self) {
        // What stays is removed by the next run that assembles the set, or with the cache.
        let _ = files::remove(&self.folder);
    }
}

fn lay_out(image: &Image, root: &Path, progress: &Progress) -> Result<()> {
    for folder in ["etc", "run", "var", "tmp", "proc", "sys", "dev"] {
        files::create_folder(&root.join(folder))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    if image.system_programs {
        system_programs::copy_into(root)?;
    }
    super::lay_out_files(&image.files, root, progress)?;
    for (link, target) in &image.links {
        let link = root.join(link.trim_start_matches('/'));
        if let Some(folder) = link.parent() {
            files::create_folder(folder)?;
        }
        std::os::unix::fs::symlink(target, &link).with_context(|| format!("could not link {}", link.display()))?;
    }
    Ok(())
}

fn read(set: &str) -> Result<Set> {
    toml::from_str(&text(set)?).with_context(|| format!("could not read the images `{set}`"))
}

fn text(set: &str) -> Result<String> {
    patch::text_of(set, |set| paths::definitions().join("images").join(format!("{set}.toml")))
}
