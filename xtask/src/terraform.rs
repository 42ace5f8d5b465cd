//! The `terraform` or `tofu` that everything runs with, and how it finds the provider that was built here.

use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance_tests::terraform as tool;
use anyhow::{Context, Result};

use crate::run;

/// The program on PATH, or OpenTofu built from its Go module.
pub(crate) fn ensure() -> Result<PathBuf> {
    tool::find_or_build(&mut |message| run::say(&format!("  {message}")))
}

/// OpenTofu, which must do what Terraform does.
pub(crate) fn opentofu() -> Result<PathBuf> {
    tool::build_opentofu()
}

/// The command in a folder, with the provider in place of the registry's.
pub(crate) fn command(terraform: &Path, folder: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(terraform);
    command.current_dir(folder).env("TF_CLI_CONFIG_FILE", configuration).env("TF_IN_AUTOMATION", "1");
    command
}

/// What the provider answers when Terraform asks for its schema.
pub(crate) fn provider_schema(terraform: &Path, provider: &Path) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir().context("could not create a temporary folder")?;
    let configuration = tool::write_cli_configuration(folder.path(), provider)?;
    let source = "terraform {\n  required_providers {\n    kubeone = {\n      source = \"registry.terraform.io/kubeone/kubeone\"\n    }\n  }\n}\n";
    std::fs::write(folder.path().join("main.tf"), source).context("could not write main.tf")?;
    let mut command = command(terraform, folder.path(), &configuration);
    let text = run::output(command.args(["providers", "schema", "-json"]))?;
    serde_json::from_str(&text).context("terraform printed no JSON")
}
