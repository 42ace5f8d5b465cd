//! `cargo xtask images lock`: asks registries for the digests of images and writes `provider/desired/versions/images.lock`.

mod registry;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::project;
use crate::run::say;

#[derive(Subcommand)]
pub(crate) enum Images {
    /// Write the digests that images have now. Needs the registries; without them nothing is written
    Lock(Lock),
}

#[derive(Args)]
pub(crate) struct Lock {
    /// Images beside those of the addons and of pods themselves, such as what `kubeadm config images list` prints
    images: Vec<String>,
}

const FILE: &str = "provider/desired/versions/images.lock";

pub(crate) fn run(images: &Images) -> Result<()> {
    let Images::Lock(lock) = images;
    let file = project::root().join(FILE);
    let text = read(&file)?;
    let mut wanted = own_images(project::root())?;
    wanted.extend(lock.images.iter().cloned());
    wanted.sort();
    wanted.dedup();
    let mut locked = entries(&text)?;
    // All of them before the first is written.
    for image in &wanted {
        let digest = registry::digest(image).with_context(|| format!("could not find the digest of {image}"))?;
        say(&format!("  {image} {digest}"));
        locked.insert(image.clone(), digest);
    }
    std::fs::write(&file, render(&text, &locked)).with_context(|| format!("could not write {}", file.display()))
}

/// What the provider itself brings: the addons' images, and the one that holds the namespaces of pods.
fn own_images(root: &Path) -> Result<Vec<String>> {
    let mut images = Vec::new();
    for addon in folders(&root.join("provider/desired/addons"))? {
        let manifest = toml(&addon.join("addon.toml"))?;
        let named = manifest["images"].as_object().into_iter().flatten();
        images.extend(named.filter_map(|(_, image)| image.as_str()).map(str::to_owned));
    }
    for release in folders(&root.join("provider/desired/versions"))? {
        if release.extension().is_some_and(|kind| kind == "toml") {
            let pause = toml(&release)?["pause"].as_str().map(str::to_owned);
            images.push(pause.with_context(|| format!("{} names no pause image", release.display()))?);
        }
    }
    ensure!(images.len() > 4, "no images were found below {}", root.display());
    Ok(images)
}

fn folders(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    Ok(entries.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|entry| entry.path()).collect())
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

fn toml(file: &Path) -> Result<Value> {
    toml::from_str(&read(file)?).with_context(|| format!("could not read {}", file.display()))
}

fn entries(text: &str) -> Result<BTreeMap<String, String>> {
    let lock: Value = toml::from_str(text).context("could not read the lock file")?;
    serde_json::from_value(lock["images"].clone()).context("the lock file has no `images`")
}

/// The comment at the head stays.
fn render(text: &str, locked: &BTreeMap<String, String>) -> String {
    let head = text.lines().take_while(|line| line.starts_with('#'));
    let mut text: String = head.flat_map(|line| [line, "\n"]).collect();
    text.push_str("[images]\n");
    for (image, digest) in locked {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{image:?} = {digest:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_brings_is_found() {
        let images = own_images(project::root()).unwrap();
        assert!(images.iter().any(|image| image.starts_with("registry.k8s.io/pause:")), "{images:?}");
        assert!(images.iter().any(|image| image.contains("calico")), "{images:?}");
    }

    #[test]
    fn what_was_written_is_read_again() {
        let file = read(&project::root().join(FILE)).unwrap();
        let locked = BTreeMap::from([("r.io/a:1".to_owned(), "sha256:00".to_owned())]);
        let text = render(&file, &locked);
        assert_eq!(entries(&text).unwrap(), locked);
        assert_eq!(text.lines().next(), file.lines().next());
        assert_eq!(render(&text, &locked), text);
    }
}
