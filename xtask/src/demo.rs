//! A real cluster on hosts that Terraform makes on this machine, for somebody who sees the project for the first time.

use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance_tests::terraform as tool;
use anyhow::{Context, Result};
use clap::Args;

use crate::project::{self, Profile};
use crate::run::{self, Journal, say};
use crate::{packages, terraform};

/// The host that kubectl is run on; each control plane would do.
const FIRST: &str = "control-plane-1";

#[derive(Args)]
pub(crate) struct Options {
    /// Remove the demo's cluster and hosts
    #[arg(long)]
    destroy: bool,
    /// Number of control planes
    #[arg(long, default_value_t = 1)]
    control_planes: u8,
    /// Number of workers
    #[arg(long, default_value_t = 1)]
    workers: u8,
    /// Version of Kubernetes
    #[arg(long, default_value = "1.35.4")]
    kubernetes_version: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut journal = Journal::default();
    if options.destroy { destroy(&mut journal) } else { create(options, &mut journal) }
}

fn create(options: &Options, journal: &mut Journal) -> Result<()> {
    let demo = Demo::prepare(journal)?;
    let version = &options.kubernetes_version;
    journal.part("prepare the lab (the first time for a Kubernetes minor builds it)", || {
        run::inherit(Command::new(&demo.lab).args(["prepare", "--kubernetes-version", version]))
    })?;
    journal.part("terraform apply", || {
        let mut apply = demo.terraform(&["apply", "-auto-approve"]);
        apply.arg(format!("-var=control_planes={}", options.control_planes));
        apply.arg(format!("-var=workers={}", options.workers));
        apply.arg(format!("-var=kubernetes_version={version}"));
        run::inherit(&mut apply)
    })?;
    say("");
    journal.part("look at the cluster", || {
        for arguments in [&["get", "nodes", "-o", "wide"][..], &["get", "pods", "-A", "-o", "wide"]] {
            run::inherit(
                demo.on_control_plane("kubectl").args(["--kubeconfig", "/etc/kubernetes/admin.conf"]).args(arguments),
            )?;
        }
        Ok(())
    })?;
    say(&format!("\n{}", journal.summary()));
    let lab = demo.lab.display();
    let folder = demo.folder.display();
    let key = demo.key.display();
    say(&format!(
        "The cluster runs. Use it:\n\
         \x20 {lab} exec {FIRST} -- kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A\n\
         \x20 ssh -i {key} kubeone@ADDRESS    # addresses: {lab} host list\n\
         \x20 terraform -chdir={folder} plan                     # with TF_CLI_CONFIG_FILE={}\n\
         Remove it:\n\
         \x20 cargo xtask demo --destroy",
        demo.configuration.display()
    ));
    Ok(())
}

fn destroy(journal: &mut Journal) -> Result<()> {
    let demo = Demo::prepare(journal)?;
    journal.part("terraform destroy", || run::inherit(&mut demo.terraform(&["destroy", "-auto-approve"])))?;
    journal.part("remove the lab", || run::inherit(Command::new(&demo.lab).arg("down")))?;
    say(&journal.summary());
    Ok(())
}

/// The key that logs in to the demo's hosts, made at first use.
fn key(folder: &Path) -> Result<PathBuf> {
    let key = folder.join("id_ed25519");
    if !key.exists() {
        run::quiet(
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "kubeone-demo", "-f"]).arg(&key),
        )?;
    }
    Ok(key)
}

/// What every command of the demo needs.
struct Demo {
    folder: PathBuf,
    key: PathBuf,
    lab: PathBuf,
    terraform: PathBuf,
    configuration: PathBuf,
}

impl Demo {
    fn prepare(journal: &mut Journal) -> Result<Self> {
        journal.part("find or install the system packages that are needed", packages::ensure)?;
        let terraform = journal.part("find terraform or build OpenTofu", terraform::ensure)?;
        let provider = journal.part("build the provider", || project::provider(Profile::Dev))?;
        let lab = journal.part("build the lab", project::lab_program)?;
        let folder = project::root().join("examples-terraform/local");
        let hidden = folder.join(".lab");
        std::fs::create_dir_all(&hidden).with_context(|| format!("could not create {}", hidden.display()))?;
        let configuration = tool::write_cli_configuration(&hidden, &provider)?;
        let key = key(&hidden)?;
        Ok(Self { folder, key, lab, terraform, configuration })
    }

    fn terraform(&self, arguments: &[&str]) -> Command {
        let mut command = terraform::command(&self.terraform, &self.folder, &self.configuration);
        command.args(arguments).arg(format!("-var=lab={}", self.lab.display()));
        command.arg(format!("-var=ssh_key_file={}", self.key.display()));
        command
    }

    fn on_control_plane(&self, program: &str) -> Command {
        let mut command = Command::new(&self.lab);
        command.args(["exec", FIRST, "--", program]);
        command
    }
}
