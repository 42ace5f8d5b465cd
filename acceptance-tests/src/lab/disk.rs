//! The disk of a host: its own layer over the base image, and what makes this host itself.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::command::run;
use super::{Lab, base_image, files, mounts, upstream};

/// Folders that are no part of the overlay: container images are overlays themselves, and etcd wants a real disk.
const VOLUMES: [&str; 3] = ["containerd", "kubelet", "etcd"];

pub(super) struct Identity {
    pub(super) machine_id: String,
    pub(super) ssh_host_key: String,
}

/// The root of a host, as the machine sees it while the host's disk is mounted.
pub(super) fn root(lab: &Lab, name: &str) -> PathBuf {
    folder(lab, name).join("root")
}

/// The folders to bind into the host, outside and inside.
pub(super) fn volumes(lab: &Lab, name: &str) -> Vec<(PathBuf, String)> {
    let folder = folder(lab, name).join("volumes");
    VOLUMES.iter().map(|volume| (folder.join(volume), format!("/var/lib/{volume}"))).collect()
}

/// Mounts the disk of a host and makes it first where needed.
pub(super) fn mount(lab: &Lab, name: &str) -> Result<()> {
    let folder = folder(lab, name);
    for (outside, _) in volumes(lab, name) {
        files::create_folder(&outside)?;
    }
    let base = base_image::ensure(&mut |_| ())?;
    mounts::overlay(&base, &folder.join("layer"), &folder.join("work"), &folder.join("root"))
}

/// Writes what makes this host itself: its name and ids, its keys, and how it reaches the world.
pub(super) fn personalize(lab: &Lab, name: &str, ssh_public_key: &str) -> Result<Identity> {
    let root = root(lab, name);
    let machine_id = random_id()?;
    files::write(&root.join("etc/machine-id"), &format!("{machine_id}\n"))?;
    files::write(&root.join("etc/hostname"), &format!("{name}\n"))?;
    let host_key = root.join("etc/ssh/ssh_host_ed25519_key");
    run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &host_key.to_string_lossy()])?;
    let ssh_host_key = files::read(&host_key.with_extension("pub"))?.trim().to_owned();
    authorize(lab, name, ssh_public_key)?;
    upstream::prepare_host(lab, name, &root)?;
    Ok(Identity { machine_id, ssh_host_key })
}

/// Lets this key in as the user `kubeone`.
pub(super) fn authorize(lab: &Lab, name: &str, ssh_public_key: &str) -> Result<()> {
    let home = root(lab, name).join("home/kubeone");
    let keys = home.join(".ssh/authorized_keys");
    files::write(&keys, &format!("{}\n", ssh_public_key.trim()))?;
    files::set_mode(&keys, 0o600)?;
    let owner = fs::metadata(&home).with_context(|| format!("could not look at {}", home.display()))?;
    let (user, group) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
    chown(&keys, Some(user), Some(group)).with_context(|| format!("could not hand over {}", keys.display()))
}

/// Unmounts and deletes the disk of a host.
pub(super) fn remove(lab: &Lab, name: &str) -> Result<()> {
    let folder = folder(lab, name);
    mounts::remove_below(&folder)?;
    files::remove(&folder)
}

fn folder(lab: &Lab, name: &str) -> PathBuf {
    lab.disks().join(name)
}

fn random_id() -> Result<String> {
    Ok(files::read("/proc/sys/kernel/random/uuid".as_ref())?.trim().replace('-', ""))
}
