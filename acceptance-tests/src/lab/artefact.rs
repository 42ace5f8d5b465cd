//! What the stand-ins are made of: binaries from Go modules, and the packages and images made of them.
//!
//! A folder below `lab/artefacts` is a recipe. What it makes is kept in the cache under a hash of the recipe, one binary
//! at a time: an interrupted build goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::command::output_of;
use super::{files, paths, processes};
use build::build_binary;
use recipe::Recipe;

mod build;
pub(super) mod content;
pub(super) mod fingerprint;
pub(super) mod image;
pub(super) mod package;
mod patch;
mod progress;
mod recipe;
pub(super) mod repository;
mod signing;
mod system_programs;

pub(super) use patch::Patch;
pub use progress::Progress;

/// The oldest Go that builds all recipes.
pub const OLDEST_GO: (u32, u32) = (1, 26);

/// A recipe that has been made: its binaries are in a folder of the cache.
#[derive(Debug, Clone)]
pub struct Artefact {
    pub name: String,
    pub version: String,
    pub folder: PathBuf,
}

impl Artefact {
    pub fn binary(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        ensure!(path.exists(), "the artefact `{}` makes no binary `{name}`", self.name);
        Ok(path)
    }

    /// The names of all its binaries, sorted.
    pub fn binaries(&self) -> Result<Vec<String>> {
        Ok(Recipe::read(&self.name)?.binaries.into_keys().collect())
    }
}

/// Builds what is not in the cache yet, one recipe after the other: Go itself uses all processors.
pub fn ensure(names: &[&str], progress: &Progress) -> Result<Vec<Artefact>> {
    names.iter().map(|name| ensure_one(name, progress)).collect()
}

fn ensure_one(name: &str, progress: &Progress) -> Result<Artefact> {
    let recipe = Recipe::read(name)?;
    let folder = folder(name)?;
    if !recipe.missing(&folder).is_empty() {
        check_go()?;
        files::create_folder(&folder)?;
        // Another process may be at it: once it is done, nothing is missing any more.
        let _lock = super::lock_file(&folder.with_file_name(format!("{name}.lock")))?;
        let missing = recipe.missing(&folder);
        let task = progress.begin(name, missing.len());
        for (binary, package) in missing {
            task.step(binary);
            build_binary(&recipe, package, &folder.join(binary))?;
        }
        task.done();
    }
    Ok(Artefact { name: name.to_owned(), version: recipe.version, folder })
}

/// The version a recipe makes.
pub(super) fn version(name: &str) -> Result<String> {
    Ok(Recipe::read(name)?.version)
}

/// Whether all of a recipe is in the cache.
pub(super) fn is_built(name: &str) -> Result<bool> {
    Ok(Recipe::read(name)?.missing(&folder(name)?).is_empty())
}

/// The names of all recipes that start so.
pub(super) fn names(prefix: &str) -> Result<Vec<String>> {
    let folders = files::list(&paths::definitions().join("artefacts"))?;
    let mut names: Vec<_> =
        folders.iter().filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned())).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    Ok(names)
}

fn definition(name: &str) -> PathBuf {
    paths::definitions().join("artefacts").join(name)
}

fn folder(name: &str) -> Result<PathBuf> {
    let own = definition(name);
    let release = Patch::find(name)?.map(|patch| definition(&patch.of));
    let parts: Vec<&Path> = std::iter::once(own.as_path()).chain(release.as_deref()).collect();
    Ok(paths::cache()?.join("artefacts").join(format!("{name}-{}", content::hash(&parts)?)))
}

/// Says that Go is missing or too old before a build says so in its own words.
pub fn check_go() -> Result<()> {
    let version = output_of(&mut super::command::command("go", ["env", "GOVERSION"]))
        .context("the lab's artefacts are built with Go: https://go.dev/doc/install")?;
    let mut numbers = version.trim().trim_start_matches("go").split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = OLDEST_GO;
    ensure!(found >= OLDEST_GO, "Go {major}.{minor} or later is needed, this is {}", version.trim());
    Ok(())
}

/// The files that `artefact/binary` names, or `artefact/*` for all binaries of an artefact.
fn sources(source: &str, progress: &Progress) -> Result<Vec<PathBuf>> {
    let (name, binary) = source.split_once('/').with_context(|| format!("`{source}` is not artefact/binary"))?;
    let artefact = ensure_one(name, progress)?;
    match binary {
        "*" => artefact.binaries()?.iter().map(|binary| artefact.binary(binary)).collect(),
        binary => Ok(vec![artefact.binary(binary)?]),
    }
}

/// Puts binaries at their places below a root. A place that ends in a slash is a folder.
fn lay_out_files(places: &BTreeMap<String, String>, root: &Path, progress: &Progress) -> Result<()> {
    for (place, source) in places {
        let place = root.join(place.trim_start_matches('/'));
        for source in sources(source, progress)? {
            let is_folder = place.as_os_str().as_encoded_bytes().ends_with(b"/");
            let target = if is_folder { place.join(source.file_name().unwrap_or_default()) } else { place.clone() };
            if let Some(folder) = target.parent() {
                files::create_folder(folder)?;
            }
            link_or_copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Both are in the cache, mostly on one disk: a second name costs nothing.
fn link_or_copy(source: &Path, target: &Path) -> Result<()> {
    if fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    fs::copy(source, target).with_context(|| format!("could not copy {}", source.display())).map(drop)
}

/// Puts a finished folder into the cache in one go. Another process may have been faster; its result is as good.
pub(super) fn keep(draft: &Path, target: &Path) -> Result<()> {
    match fs::rename(draft, target) {
        Err(_) if target.exists() => files::remove(draft),
        other => other.with_context(|| format!("could not keep {}", target.display())),
    }
}

/// A folder to prepare something in, beside the place where it will be kept. Left-overs of killed runs go first.
pub(super) fn draft(target: &Path) -> Result<PathBuf> {
    let mut prefix = target.file_name().unwrap_or_default().to_owned();
    prefix.push(".unfinished.");
    if let Some(folder) = target.parent() {
        for path in files::list(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let owner = name.strip_prefix(&*prefix.to_string_lossy()).and_then(|pid| pid.parse().ok());
            if owner.is_some_and(|pid| pid == std::process::id() || !processes::is_alive(pid)) {
                files::remove(&path)?;
            }
        }
    }
    prefix.push(std::process::id().to_string());
    let draft = target.with_file_name(prefix);
    files::create_folder(&draft)?;
    Ok(draft)
}
