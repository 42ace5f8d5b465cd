//! `lab`: makes and removes real hosts on this machine. What it prints on standard output is JSON, for Terraform.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acceptance_tests::lab::services::Wanted;
use acceptance_tests::lab::{self, Lab, host, load_balancer};
use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use serde::Serialize;

/// Real hosts on this machine, in a network of their own.
#[derive(Parser)]
struct Arguments {
    /// Which lab; without it KUBEONE_LAB, else `lab`.
    #[arg(long, global = true)]
    lab: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the Debian packages that this machine lacks for a lab.
    MissingPackages,
    /// Make ready what hosts and their stand-ins need. Slow the first time, then quick.
    Prepare {
        /// A version of Kubernetes that hosts will install. Repeatable.
        #[arg(long, default_value = "1.35.4")]
        kubernetes_version: Vec<String>,
        /// Also the image of metrics-server.
        #[arg(long)]
        metrics_server: bool,
    },
    /// Bring up the network, and stand-ins for upstream servers where those are out of reach.
    Up,
    /// Remove everything: hosts, network, mounts, cgroups. Also after a killed run.
    Down {
        /// Every lab of this machine.
        #[arg(long)]
        all: bool,
    },
    /// Print what the lab is and what exists of it.
    Status,
    /// Create, list, destroy hosts.
    #[command(subcommand)]
    Host(HostVerb),
    /// Run a command inside a host, as root.
    Exec {
        name: String,
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// The load balancer in front of the API servers.
    #[command(subcommand)]
    LoadBalancer(LoadBalancerVerb),
}

#[derive(Subcommand)]
enum HostVerb {
    /// Create a host and wait until it answers on SSH. Brings the lab up first. Safe to repeat.
    Create {
        name: String,
        /// An address of the lab, its last number, or `auto`: the one a host of that name has or had last, else a free one.
        #[arg(long, default_value = "auto")]
        ip: String,
        /// The key that user `kubeone` logs in with, as in an `authorized_keys` file.
        #[arg(long)]
        ssh_public_key: String,
        /// Which machine of that name is meant: another one of the same name gives way.
        #[arg(long)]
        instance_id: Option<String>,
        /// Also write the answer to this file.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Remove a host and its disk. Safe to repeat.
    Destroy {
        name: String,
        /// Only this machine of that name.
        #[arg(long)]
        instance_id: Option<String>,
    },
    /// Print all hosts.
    List,
    /// Cut the power of a host. Its disk stays.
    Kill { name: String },
    /// Boot a host that is off.
    Start { name: String },
}

#[derive(Subcommand)]
enum LoadBalancerVerb {
    /// Start it without back ends, unless it runs already. Brings the lab up first.
    Create {
        #[arg(long, default_value_t = 6443)]
        port: u16,
        /// Also write the answer to this file.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// End it. Safe to repeat.
    Destroy,
    /// Start it, or give it other back ends.
    Set {
        #[arg(long, default_value_t = 6443)]
        port: u16,
        /// Address and port of an API server. Repeatable.
        #[arg(long)]
        backend: Vec<SocketAddrV4>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let from_environment = || std::env::var_os("KUBEONE_LAB").map(|name| name.to_string_lossy().into_owned());
    let lab = Lab::named(&arguments.lab.or_else(from_environment).unwrap_or_else(|| "lab".to_owned()))?;
    match arguments.verb {
        Verb::MissingPackages => print(&lab::machine::missing_packages()?),
        Verb::Prepare { kubernetes_version, metrics_server } => {
            let versions: Vec<&str> = kubernetes_version.iter().map(String::as_str).collect();
            // A folder of further images to serve.
            let images = std::env::var_os("KUBEONE_LAB_IMAGES").map(PathBuf::from);
            lab::prepare(&Wanted { kubernetes: &versions, metrics_server, images })
        }
        Verb::Up => print(&lab::up(&lab, &mut talk)?),
        Verb::Down { all: false } => lab::down(&lab),
        Verb::Down { all: true } => lab::all()?.iter().try_for_each(lab::down),
        Verb::Status => status(&lab),
        Verb::Host(verb) => run_host(&lab, verb),
        Verb::Exec { name, program } => {
            Err(host::exec(&lab, &name, &program)?.exec()).context("could not enter the host")
        }
        Verb::LoadBalancer(verb) => run_load_balancer(&lab, verb),
    }
}

fn run_load_balancer(lab: &Lab, verb: LoadBalancerVerb) -> Result<()> {
    match verb {
        LoadBalancerVerb::Create { port, output } => {
            lab::up(lab, &mut talk)?;
            answer(&load_balancer::create(lab, port)?, output.as_deref())
        }
        LoadBalancerVerb::Destroy => load_balancer::destroy(lab),
        LoadBalancerVerb::Set { port, backend } => print(&load_balancer::set(lab, port, &backend)?),
    }
}

fn run_host(lab: &Lab, verb: HostVerb) -> Result<()> {
    match verb {
        HostVerb::Create { name, ip, ssh_public_key, instance_id, output } => {
            let network = lab::up(lab, &mut talk)?.network;
            let address = match ip.as_str() {
                "auto" => None,
                given => Some(match given.parse::<u8>() {
                    Ok(last) => network.address(last),
                    Err(_) => given.parse::<Ipv4Addr>().with_context(|| format!("`{given}` is no IPv4 address"))?,
                }),
            };
            let host = host::create(lab, &host::Request { name, address, ssh_public_key, instance_id })?;
            answer(&host, output.as_deref())
        }
        HostVerb::Destroy { name, instance_id } => host::destroy(lab, &name, instance_id.as_deref()),
        HostVerb::List => print(&host::list(lab)?),
        HostVerb::Kill { name } => host::kill(lab, &name),
        HostVerb::Start { name } => {
            ensure!(lab.is_up(), "the lab `{}` is not up", lab.name);
            host::start(lab, &host::existing(lab, &name)?)
        }
    }
}

#[derive(Serialize)]
struct Status {
    lab: String,
    state: Option<lab::State>,
    hosts: Vec<lab::Host>,
    exists: Vec<String>,
}

fn status(lab: &Lab) -> Result<()> {
    let state = if lab.is_up() { Some(lab.state()?) } else { None };
    print(&Status { lab: lab.name.clone(), state, hosts: host::list(lab)?, exists: lab::remains(lab)? })
}

/// Talk goes to standard error: standard output is data.
fn talk(stage: &str) {
    eprintln!("lab: {stage}");
}

/// Prints an answer, and keeps it in a file where asked to: Terraform's provisioners cannot hand on what they print.
fn answer(answer: &impl Serialize, file: Option<&Path>) -> Result<()> {
    if let Some(file) = file {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        std::fs::write(file, serde_json::to_string_pretty(answer)?)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    print(answer)
}

fn print(answer: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(answer)?;
    writeln!(std::io::stdout(), "{text}").context("could not write to standard output")
}
