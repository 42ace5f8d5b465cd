//! A host: a systemd-nspawn machine with its own disk, network namespace and cgroups, that answers on SSH.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::command::command;
use super::{Lab, boot, cgroup, disk, files, mounts, network, processes};

/// What to create.
#[derive(Debug, Clone)]
pub struct Request {
    pub name: String,
    /// `None`: the next free one.
    pub address: Option<Ipv4Addr>,
    /// A line for `authorized_keys` of the user `kubeone`.
    pub ssh_public_key: String,
    /// Which machine of that name is meant; `None`: whichever exists, else a new one.
    pub instance_id: Option<String>,
}

/// A host that exists; this is what `lab host create` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    pub address: Ipv4Addr,
    /// The public host key, type and base64, for a user who pins it.
    pub ssh_host_key: String,
    /// Another one each time a host of this name is created.
    pub instance_id: String,
}

/// Creates and boots a host. One that exists already is booted if it is off, and keeps its identity; another machine of
/// the same name gives way.
pub fn create(lab: &Lab, request: &Request) -> Result<Host> {
    super::check_name(&request.name)?;
    if let Some(host) = find(lab, &request.name)?
        && !is_meant(&host, request.instance_id.as_deref())
    {
        remove(lab, &host.name)?;
        // The new machine takes the address over, unless it is to have another one.
        if request.address.is_some_and(|address| address != host.address) {
            files::remove(&reservation(lab, &host.name))?;
        }
    }
    let reserved = reserve(lab, request)?;
    if let Some(host) = find(lab, &request.name)? {
        disk::mount(lab, &host.name)?;
        disk::authorize(lab, &host.name, &request.ssh_public_key)?;
        start(lab, &host)?;
        return Ok(host);
    }
    // An attempt that was killed half-way leaves a disk without a record: begin anew.
    clear(lab, &request.name)?;
    disk::mount(lab, &request.name)?;
    let identity = disk::personalize(lab, &request.name, &request.ssh_public_key)?;
    let host = Host {
        name: request.name.clone(),
        address: reserved,
        ssh_host_key: identity.ssh_host_key,
        instance_id: request.instance_id.clone().unwrap_or(identity.machine_id),
    };
    files::write(&record(lab, &host.name), &serde_json::to_string_pretty(&host)?)?;
    start(lab, &host)?;
    Ok(host)
}

/// Boots a host that is off, and waits until it answers on SSH.
pub fn start(lab: &Lab, host: &Host) -> Result<()> {
    let id = network::host_namespace(&lab.name, &host.name);
    if init_process(lab, &host.name)?.is_none() {
        cgroup::kill(&id)?;
        disk::mount(lab, &host.name)?;
        network::attach_host(&lab.name, &host.name, lab.network()?, host.address)?;
        boot::launch(lab, host)?;
    }
    boot::wait_for_ssh(lab, host)
}

/// Powers a host off in good order: its services are stopped first. Its disk stays.
pub fn shut_down(lab: &Lab, name: &str) -> Result<()> {
    existing(lab, name)?;
    if let Some(init) = init_process(lab, name)? {
        // Longer than systemd itself waits for a service.
        ensure!(boot::shut_down(init, Duration::from_mins(2))?, "the host `{name}` does not power off");
    }
    power_off(lab, name)
}

/// Ends a host as a power cut does. Its disk stays.
pub fn kill(lab: &Lab, name: &str) -> Result<()> {
    existing(lab, name)?;
    power_off(lab, name)
}

/// Shuts a host down, for a moment in good order, and removes all of it. Without such a host there is nothing to do.
pub fn destroy(lab: &Lab, name: &str, instance_id: Option<&str>) -> Result<()> {
    super::check_name(name)?;
    if find(lab, name)?.is_some_and(|host| !is_meant(&host, instance_id)) {
        return Ok(());
    }
    remove(lab, name)?;
    files::remove(&reservation(lab, name))
}

/// Shuts a host down, for a moment in good order, and removes it; its address stays reserved.
fn remove(lab: &Lab, name: &str) -> Result<()> {
    if let Some(init) = init_process(lab, name)? {
        // Whoever does not make it in time is ended by force.
        boot::shut_down(init, Duration::from_secs(3))?;
    }
    clear(lab, name)
}

/// All hosts of the lab, by name.
pub fn list(lab: &Lab) -> Result<Vec<Host>> {
    let mut hosts: Vec<Host> = Vec::new();
    for path in files::list(&lab.runtime().join("hosts"))? {
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = files::read(&path)?;
            hosts.push(serde_json::from_str(&text).with_context(|| format!("could not read {}", path.display()))?);
        }
    }
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(hosts)
}

pub fn find(lab: &Lab, name: &str) -> Result<Option<Host>> {
    Ok(list(lab)?.into_iter().find(|host| host.name == name))
}

pub fn existing(lab: &Lab, name: &str) -> Result<Host> {
    find(lab, name)?.with_context(|| format!("the lab `{}` has no host `{name}`", lab.name))
}

/// Plugs the network cable of a host in, or pulls it.
pub fn plug(lab: &Lab, name: &str, plugged: bool) -> Result<()> {
    network::plug(&lab.name, existing(lab, name)?.address, plugged)
}

/// Lets a host answer on SSH, or not. All else of its network goes on.
pub fn answer_ssh(lab: &Lab, name: &str, answers: bool) -> Result<()> {
    existing(lab, name)?;
    network::answer_ssh(&network::host_namespace(&lab.name, name), answers)
}

/// A command that runs inside the host, as root, past SSH.
pub fn exec(lab: &Lab, name: &str, program: &[String]) -> Result<Command> {
    let Some(init) = init_process(lab, name)? else { bail!("the host `{name}` of the lab `{}` is off", lab.name) };
    let target = format!("--target={init}");
    let spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"];
    let mut enter = command("nsenter", std::iter::once(target.as_str()).chain(spaces));
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    enter.args(["--", "env", "--ignore-environment", path, "HOME=/root", "LANG=C.UTF-8"]).args(program);
    Ok(enter)
}

/// The first process of a host that runs, as the machine numbers it.
pub fn init_process(lab: &Lab, name: &str) -> Result<Option<u32>> {
    let members = cgroup::members(&network::host_namespace(&lab.name, name))?;
    Ok(members.into_iter().find(|pid| processes::is_init_of_a_namespace(*pid)))
}

/// Removes whatever there is of a host, known or half-made.
pub(super) fn clear(lab: &Lab, name: &str) -> Result<()> {
    power_off(lab, name)?;
    disk::remove(lab, name)?;
    files::remove(&record(lab, name))?;
    files::remove(&boot::console(lab, name))
}

fn is_meant(host: &Host, instance_id: Option<&str>) -> bool {
    instance_id.is_none_or(|id| id == host.instance_id)
}

/// Nothing but the disk survives: links, routes and rules of the kernel are gone after it, as on any machine.
fn power_off(lab: &Lab, name: &str) -> Result<()> {
    let id = network::host_namespace(&lab.name, name);
    cgroup::kill(&id)?;
    cgroup::remove(&id)?;
    network::detach_host(&id)?;
    mounts::remove_below(&disk::root(lab, name))
}

/// Settles the address before anything else, so that hosts can be created side by side.
fn reserve(lab: &Lab, request: &Request) -> Result<Ipv4Addr> {
    let _lock = super::lock()?;
    let network = lab.network()?;
    let own = reservation(lab, &request.name);
    let mut taken = BTreeSet::new();
    for path in files::list(&lab.runtime().join("hosts"))? {
        if path != own && path.extension().is_some_and(|extension| extension == "address") {
            taken.insert(files::read(&path)?.parse().with_context(|| format!("could not read {}", path.display()))?);
        }
    }
    let before = if own.exists() { Some(files::read(&own)?.parse()?) } else { None };
    let address = match (request.address, before) {
        (Some(wanted), Some(before)) if wanted != before => {
            bail!("the host `{}` exists already with the address {before}", request.name)
        }
        (Some(wanted), _) if !network.is_host(wanted) || taken.contains(&wanted) => {
            bail!("the address {wanted} is taken or outside {}", network.subnet())
        }
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => network.free_host(&taken)?,
    };
    files::write(&own, &address.to_string())?;
    Ok(address)
}

fn record(lab: &Lab, name: &str) -> PathBuf {
    lab.runtime().join("hosts").join(format!("{name}.json"))
}

fn reservation(lab: &Lab, name: &str) -> PathBuf {
    lab.runtime().join("hosts").join(format!("{name}.address"))
}
