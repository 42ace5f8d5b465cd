//! A lab: real hosts on this machine, in a network of their own, with a load balancer and, where needed, stand-ins for
//! the servers that packages and images come from.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub mod artefact;
pub mod base_image;
mod boot;
mod cgroup;
pub mod command;
mod disk;
mod files;
pub mod host;
mod kernel;
pub mod load_balancer;
pub mod machine;
mod mounts;
pub mod network;
pub mod paths;
pub(crate) mod processes;
mod remains;
pub mod services;
mod upstream;
pub(crate) mod wait;

pub use host::Host;
use network::Network;
pub use upstream::Upstream;

/// One lab of this machine, up or not, known by its name.
#[derive(Debug, Clone)]
pub struct Lab {
    pub name: String,
    disks: PathBuf,
}

/// What holds for a lab as long as it is up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub network: Network,
    pub upstream: Upstream,
}

impl Lab {
    pub fn named(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), disks: paths::cache()?.join("instances").join(name) })
    }

    /// What the lab is like; an error where it is not up.
    pub fn state(&self) -> Result<State> {
        let file = self.state_file();
        let text = files::read(&file).with_context(|| format!("the lab `{}` is not up", self.name))?;
        serde_json::from_str(&text).with_context(|| format!("could not read {}", file.display()))
    }

    pub fn is_up(&self) -> bool {
        self.state_file().exists()
    }

    pub fn network(&self) -> Result<Network> {
        Ok(self.state()?.network)
    }

    /// The folder of the lab's state, which does not outlive it.
    pub fn runtime(&self) -> PathBuf {
        paths::runtime().join(&self.name)
    }

    fn disks(&self) -> PathBuf {
        self.disks.clone()
    }

    fn state_file(&self) -> PathBuf {
        self.runtime().join("lab.json")
    }
}

/// Makes ready what labs need: the base image, and what the stand-ins serve where they are needed.
pub fn prepare(wanted: &services::Wanted) -> Result<()> {
    let upstream = upstream::detect()?;
    machine::check(upstream)?;
    let progress = artefact::Progress::on_standard_error();
    let task = progress.begin("base image", base_image::STAGES);
    base_image::ensure(&mut |stage| task.step(stage))?;
    task.done();
    match upstream {
        Upstream::Reachable => Ok(()),
        Upstream::StandIns => services::prepare(wanted, &progress),
    }
}

/// Brings the lab up: base image, network, and the stand-ins or the way out. A lab that is up stays as it is.
pub fn up(lab: &Lab, report: &mut dyn FnMut(&str)) -> Result<State> {
    let _lock = lock()?;
    if lab.is_up() {
        return lab.state();
    }
    let upstream = upstream::detect()?;
    machine::check(upstream)?;
    base_image::ensure(report)?;
    // What a killed run of the same name left.
    remove(lab)?;
    let network = Network { index: network::free_index()? };
    network::create(&lab.name, network)?;
    kernel::prepare()?;
    match upstream {
        Upstream::Reachable => upstream::open(lab, network)?,
        Upstream::StandIns => services::start(&upstream::stand_ins(lab, network))?,
    }
    let state = State { network, upstream };
    files::write(&lab.state_file(), &serde_json::to_string_pretty(&state)?)?;
    Ok(state)
}

/// Removes all of the lab, also what a killed run left, and proves it.
pub fn down(lab: &Lab) -> Result<()> {
    let _lock = lock()?;
    remove(lab)?;
    let remains = remains::of(lab)?;
    ensure!(remains.is_empty(), "the lab `{}` left behind: {}", lab.name, remains.join(", "));
    Ok(())
}

/// Everything of the lab that exists on this machine; nothing once it is down.
pub fn remains(lab: &Lab) -> Result<Vec<String>> {
    remains::of(lab)
}

/// The names of all labs that are up or have left something.
pub fn all() -> Result<Vec<Lab>> {
    remains::names()?.iter().map(|name| Lab::named(name)).collect()
}

fn remove(lab: &Lab) -> Result<()> {
    let hosts = remains::hosts(lab)?;
    std::thread::scope(|scope| {
        let removals: Vec<_> = hosts.iter().map(|name| scope.spawn(|| host::destroy(lab, name, None))).collect();
        removals.into_iter().try_for_each(|removal| match removal.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    services::stop(&upstream::stand_ins_folder(lab))?;
    let namespace = network::namespace(&lab.name);
    network::kill_members(&namespace)?;
    network::remove(&namespace)?;
    upstream::close(&lab.name)?;
    mounts::remove_below(&lab.disks())?;
    files::remove(&lab.disks())?;
    files::remove(&lab.runtime())?;
    machine::forget_last_lab()
}

/// Only one process at a time brings labs up or down or hands out addresses.
fn lock() -> Result<File> {
    lock_file(&paths::cache()?.join("lock"))
}

/// Held as long as the answer lives.
fn lock_file(path: &Path) -> Result<File> {
    path.parent().map_or(Ok(()), files::create_folder)?;
    let file = File::create(path).with_context(|| format!("could not create {}", path.display()))?;
    file.lock().with_context(|| format!("could not lock {}", path.display()))?;
    Ok(file)
}

/// Names become parts of host names, cgroups and namespaces.
fn check_name(name: &str) -> Result<()> {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let fits = (1..=40).contains(&name.len()) && name.chars().all(letters);
    ensure!(
        fits && !name.starts_with('-') && !name.ends_with('-'),
        "`{name}` is no name: lower-case letters, digits and inner dashes, 40 at most"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_fit_where_they_are_used() {
        for good in ["lab", "control-plane-1", "9"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "A", "-a", "a-", "a/b", &"a".repeat(41)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
