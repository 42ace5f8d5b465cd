//! Starts the machine of a host, detached from whoever asked for it, and waits until it can be used.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::command::command;
use super::host::{self, Host};
use super::{Lab, cgroup, disk, network, processes, wait};

const LAUNCHER: &str = include_str!("../../lab/host/boot.sh");

/// Where the console of the machine is written.
pub(super) fn console(lab: &Lab, name: &str) -> PathBuf {
    lab.runtime().join("hosts").join(format!("{name}.console"))
}

/// Starts the machine in cgroups and a session of its own, with no file of ours open: a Terraform provisioner would
/// wait for ever on an inherited pipe.
pub(super) fn launch(lab: &Lab, host: &Host) -> Result<()> {
    let id = network::host_namespace(&lab.name, &host.name);
    let cgroups = cgroup::create(&id)?;
    let console = console(lab, &host.name);
    let log = File::create(&console).with_context(|| format!("could not create {}", console.display()))?;
    let mut machine = command("setsid", ["--fork", "sh", "-c", LAUNCHER, "boot"]);
    machine
        .args(cgroups)
        .arg("--")
        .args(machine_arguments(lab, host, &id))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // Hosts set kernel parameters; without this the machine sees /proc/sys and /sys read-only.
        .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
        .current_dir("/")
        .stdout(log.try_clone()?)
        .stderr(log);
    let status = machine.status().context("could not start `setsid`")?;
    ensure!(status.success(), "could not start the machine of `{}`: {status}", host.name);
    Ok(())
}

fn machine_arguments(lab: &Lab, host: &Host, id: &str) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=read-only",
        "--capability=all",
        "--system-call-filter=@known",
        "--bind=/dev/kmsg",
        "--resolv-conf=off",
        "--timezone=off",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--directory={}", disk::root(lab, &host.name).display()));
    arguments.push(format!("--network-namespace-path=/run/netns/{id}"));
    arguments.push(format!("--machine={}-{}", lab.name, host.name));
    arguments.push(format!("--hostname={}", host.name));
    for (outside, inside) in disk::volumes(lab, &host.name) {
        arguments.push(format!("--bind={}:{inside}", outside.display()));
    }
    // A machine with loadable modules shares them; the base image names the built-in ones of one without.
    if let Some(modules) = Some(Path::new("/lib/modules")).filter(|modules| modules.exists()) {
        arguments.push(format!("--bind-ro={}", modules.display()));
    }
    arguments
}

/// Waits until sshd answers and lets users in.
pub(super) fn wait_for_ssh(lab: &Lab, host: &Host) -> Result<()> {
    let console = console(lab, &host.name);
    wait::until(&format!("`{}` answers on SSH", host.name), Duration::from_mins(1), || {
        Ok(answers(host) && users_may_log_in(lab, host)?)
    })
    .with_context(|| format!("the host did not come up; its console is in {}", console.display()))
}

/// Asks the machine to power off, and answers whether it did so in time.
pub(super) fn shut_down(init: u32, patience: Duration) -> Result<bool> {
    // systemd as init powers off at this signal.
    processes::signal("RTMIN+4", &[init].into())?;
    Ok(wait::until("the machine is off", patience, || Ok(!processes::is_alive(init))).is_ok())
}

fn answers(host: &Host) -> bool {
    let address = SocketAddr::from((host.address, 22));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && banner == *b"SSH-"
}

/// While it boots, a machine refuses everyone but root.
fn users_may_log_in(lab: &Lab, host: &Host) -> Result<bool> {
    let Some(init) = host::init_process(lab, &host.name)? else { return Ok(false) };
    Ok(!Path::new(&format!("/proc/{init}/root/run/nologin")).exists())
}
