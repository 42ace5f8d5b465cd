//! How long a cluster takes to come up, ours and by hand, on equal hosts in the same run.

use std::process::Command;
use std::time::{Duration, Instant};

use acceptance_tests::lab::host;
use acceptance_tests::scenario::{Programs, Scenario, clean_up_when_interrupted};
use anyhow::{Context, Result};
use clap::Args;

use crate::project::{self, Profile};
use crate::run::{self, say};
use crate::terraform;

#[derive(Args)]
pub(crate) struct Options {
    /// Number of control planes
    #[arg(long, default_value_t = 3)]
    control_planes: u8,
    /// Number of workers
    #[arg(long, default_value_t = 2)]
    workers: u8,
    /// Version of Kubernetes
    #[arg(long, default_value = "1.35.4")]
    kubernetes_version: String,
    /// How often each way is measured
    #[arg(long, default_value_t = 1)]
    runs: u8,
    /// Measure only the provider
    #[arg(long)]
    only_provider: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    clean_up_when_interrupted()?;
    terraform::ensure()?;
    let provider = project::provider(Profile::Release)?;
    let programs = Programs { lab: project::lab_program()?, provider };
    run::inherit(Command::new(&programs.lab).args(["prepare", "--kubernetes-version", &options.kubernetes_version]))?;
    let mut times = Vec::new();
    for number in 1..=options.runs {
        if !options.only_provider {
            times.push((number, "by hand, no network plugin", by_hand(options, &programs)?));
        }
        times.push((number, "provider, with Canal", by_provider(options, &programs)?));
    }
    say(&format!(
        "\ncreate {} + {}, Kubernetes {}",
        options.control_planes, options.workers, options.kubernetes_version
    ));
    for (number, way, time) in times {
        say(&format!("{:>9}  run {number}, {way}", run::seconds(time)));
    }
    Ok(())
}

/// Fresh hosts and a load balancer, booted and at rest; no cluster.
fn hosts(options: &Options, programs: &Programs) -> Result<Scenario> {
    let mut scenario = Scenario::of_local_example("bench-create", programs)?;
    scenario.terraform.set_variable("control_planes", &options.control_planes.to_string());
    scenario.terraform.set_variable("workers", &options.workers.to_string());
    scenario.terraform.set_variable("kubernetes_version", &options.kubernetes_version);
    scenario.terraform.apply(&["-target=terraform_data.load_balancer_targets"])?.must_succeed()?;
    for host in host::list(scenario.lab())? {
        scenario.machine(&host.name).run("systemctl is-system-running --wait")?;
    }
    Ok(scenario)
}

fn by_hand(options: &Options, programs: &Programs) -> Result<Duration> {
    let scenario = hosts(options, programs)?;
    let pairs = |prefix: &str| -> Result<String> {
        let hosts = host::list(scenario.lab())?;
        let chosen = hosts.iter().filter(|host| host.name.starts_with(prefix));
        Ok(chosen.map(|host| format!("{}={}", host.name, host.address)).collect::<Vec<_>>().join(" "))
    };
    let endpoint = format!("{}:6443", scenario.lab().network()?.load_balancer());
    let mut script = Command::new(project::root().join("xtask/src/bench/by-hand.sh"));
    script.env("CONTROL_PLANES", pairs("control-plane-")?).env("WORKERS", pairs("worker-")?).env("ENDPOINT", endpoint);
    script.env("VERSION", &options.kubernetes_version).env("SSH_USER", "kubeone").env("SSH_KEY", scenario.ssh_key());
    let start = Instant::now();
    run::inherit(&mut script).context("by hand")?;
    Ok(start.elapsed())
}

fn by_provider(options: &Options, programs: &Programs) -> Result<Duration> {
    let mut scenario = hosts(options, programs)?;
    let start = Instant::now();
    let run = scenario.terraform.apply(&[])?;
    let time = start.elapsed();
    run.must_succeed()?;
    say("where the provider's time goes:");
    for line in run.trace()?.lines().filter(|line| line.contains("action ended")) {
        say(&format!("  {line}"));
    }
    Ok(time)
}
