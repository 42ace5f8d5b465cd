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

/// Terraform reads it by itself.
const VARIABLES: &str = "demo.auto.tfvars.json";

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
        demo.write_variables(options)?;
        run::inherit(&mut demo.terraform(&["apply", "-auto-approve"]))
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
         \x20 TF_CLI_CONFIG_FILE={} {} -chdir={folder} plan\n\
         Remove it:\n\
         \x20 cargo xtask demo --destroy",
        demo.configuration.display(),
        demo.terraform.display()
    ));
    Ok(())
}

fn destroy(journal: &mut Journal) -> Result<()> {
    let demo = Demo::prepare(journal)?;
    journal.part("terraform destroy", || run::inherit(&mut demo.terraform(&["destroy", "-auto-approve"])))?;
    journal.part("remove the lab", || run::inherit(Command::new(&demo.lab).arg("down")))?;
    for left in [VARIABLES, "terraform.tfstate", "terraform.tfstate.backup"] {
        std::fs::remove_file(demo.folder.join(left)).ok();
    }
    std::fs::remove_dir_all(demo.folder.join(".lab")).ok();
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
        command.args(arguments);
        command
    }

    /// In a file, so that `terraform plan` by hand means the same cluster.
    fn write_variables(&self, options: &Options) -> Result<()> {
        let variables = serde_json::json!({
            "control_planes": options.control_planes,
            "workers": options.workers,
            "kubernetes_version": options.kubernetes_version,
            "lab": self.lab,
            "ssh_key_file": self.key,
        });
        let file = self.folder.join(VARIABLES);
        std::fs::write(&file, format!("{variables:#}\n")).with_context(|| format!("could not write {}", file.display()))
    }

    fn on_control_plane(&self, program: &str) -> Command {
        let mut command = Command::new(&self.lab);
        command.args(["exec", FIRST, "--", program]);
        command
    }
}
