//! Makes what the stand-ins serve: package repositories and images of the wanted Kubernetes releases.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{certificates, name_server, registry, web};
use crate::lab::artefact::{self, Patch, Progress, content, image, repository};
use crate::lab::command::{command, output_of};
use crate::lab::files;

/// Image sets that every cluster of the lab uses, whatever its Kubernetes version.
const COMMON_IMAGES: [&str; 2] = ["canal", "labtool"];
const METRICS_SERVER: &str = "metrics-server";
/// The package repository with the container runtime.
const RUNTIME_PACKAGES: &str = "docker";

/// What to make ready.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Kubernetes versions, such as `1.35.4`. The lab knows one of each minor, and patch versions of some.
    pub kubernetes: &'a [&'a str],
    pub metrics_server: bool,
    /// Archives and OCI layouts with further images, served under the names they carry.
    pub images: Option<PathBuf>,
}

/// Builds whatever of it is not in the cache. Quick when there is nothing to do.
pub fn prepare(wanted: &Wanted, progress: &Progress) -> Result<()> {
    artefact::ensure(&[name_server::RECIPE], progress)?;
    let releases = wanted.kubernetes.iter().map(|version| release(version)).collect::<Result<Vec<_>>>()?;
    let extras = wanted.metrics_server.then_some(METRICS_SERVER);
    let sets: Vec<_> = releases.iter().map(String::as_str).chain(COMMON_IMAGES).chain(extras).collect();
    let repositories = repositories(&releases)?;
    // Building takes minutes, and others need not wait meanwhile for what they have already.
    for name in repositories.iter().flatten() {
        repository::ensure_binaries(name, progress)?;
    }
    for set in &sets {
        image::key(set, progress)?;
    }
    let _lock = registry::lock()?;
    // Hosts are created side by side, and each asks for the CA: make it while nobody does.
    certificates::server_certificate()?;
    for names in &repositories {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        repository::publish(&repository::ensure(&names, progress)?, &web()?)?;
    }
    fill_registry(&sets, wanted.images.as_deref(), progress)?;
    publish_versions()
}

/// The name of the recipes of a Kubernetes version: `kubernetes-1.35` for `1.35.4`.
fn release(version: &str) -> Result<String> {
    let mut known = Vec::new();
    for name in artefact::names("kubernetes-")? {
        let found = artefact::version(&name)?;
        if found == version {
            return Ok(name);
        }
        known.push(found);
    }
    bail!("the lab can build Kubernetes {}, not {version}", known.join(" and "))
}

/// The releases that share each package repository. All that were ever built stay on offer, because labs that run may
/// be using them.
fn repositories(releases: &[String]) -> Result<BTreeSet<BTreeSet<String>>> {
    let mut repositories = BTreeSet::from([BTreeSet::from([RUNTIME_PACKAGES.to_owned()])]);
    for release in releases {
        let minor = minor(release)?;
        let mut names = BTreeSet::new();
        for name in artefact::names(&minor)? {
            if self::minor(&name)? == minor && (releases.contains(&name) || artefact::is_built(&name)?) {
                names.insert(name);
            }
        }
        repositories.insert(names);
    }
    Ok(repositories)
}

/// The name of the minor's first recipe, which the recipes of its patch versions build on.
fn minor(release: &str) -> Result<String> {
    Ok(Patch::find(release)?.map_or_else(|| release.to_owned(), |patch| patch.of))
}

/// Pushes what the registry does not hold yet.
fn fill_registry(sets: &[&str], extra: Option<&Path>, progress: &Progress) -> Result<()> {
    let mut missing = Vec::new();
    for set in sets {
        let pushed = Pushed::new(set, image::key(set, progress)?)?;
        if !pushed.is_done() {
            missing.push((*set, pushed));
        }
    }
    let mut archives = Vec::new();
    for path in extra.map(files::list).transpose()?.unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pushed = Pushed::new(&format!("extra-{name}"), content::hash(&[&path])?)?;
        if !pushed.is_done() {
            archives.push((path, pushed));
        }
    }
    if missing.is_empty() && archives.is_empty() {
        return Ok(());
    }
    let pushers = artefact::ensure(&["image-pusher"], progress)?;
    let pusher = pushers.first().context("image-pusher was not built")?.binary("image-pusher")?;
    let task = progress.begin("images", missing.len() + archives.len());
    registry::while_open(|address| {
        let call = |verb: &str, path: &Path| {
            output_of(command(&pusher.to_string_lossy(), [verb, address]).arg(path)).map(drop)
        };
        for (set, pushed) in &missing {
            task.step(set);
            call("push", &image::assemble(set, progress)?.list)?;
            pushed.note()?;
        }
        for (path, pushed) in &archives {
            task.step(&path.to_string_lossy());
            call("load", path).with_context(|| format!("could not load the images in {}", path.display()))?;
            pushed.note()?;
        }
        Ok(())
    })?;
    task.done();
    Ok(())
}

/// What the registry holds under the names of a set: a tag means what was pushed last.
struct Pushed {
    file: PathBuf,
    key: String,
}

impl Pushed {
    fn new(set: &str, key: String) -> Result<Self> {
        Ok(Self { file: registry::storage()?.join("pushed").join(set), key })
    }

    fn is_done(&self) -> bool {
        files::read(&self.file).is_ok_and(|key| key == self.key)
    }

    fn note(&self) -> Result<()> {
        files::write(&self.file, &self.key)
    }
}

/// The files kubeadm and people ask for the latest version.
fn publish_versions() -> Result<()> {
    let folder = web()?.join("dl.k8s.io/release");
    for name in artefact::names("kubernetes-")? {
        if Patch::find(&name)?.is_some() {
            continue;
        }
        let version = artefact::version(&name)?;
        let minor = name.trim_start_matches("kubernetes-");
        for file in [format!("stable-{minor}.txt"), "stable.txt".to_owned()] {
            // The names are sorted: the newest writes stable.txt last.
            files::write(&folder.join(file), &format!("v{version}"))?;
        }
    }
    Ok(())
}
