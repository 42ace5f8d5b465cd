//! The real terraform on the examples: they are valid, and the plan shows the steps before any host exists.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of an example, and a configuration of Terraform that finds the provider as it was just built.
struct Workspace {
    folder: TempDir,
}

impl Workspace {
    fn of_example(name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples-terraform").join(name);
        for entry in std::fs::read_dir(root).expect("the example exists") {
            let file = entry.expect("it can be listed").path();
            if file.extension().is_some_and(|extension| extension == "tf") {
                let name = file.file_name().expect("a file has a name");
                std::fs::copy(&file, folder.path().join(name)).expect("it can be copied");
            }
        }
        let program = Path::new(env!("CARGO_BIN_EXE_terraform-provider-kubeone"));
        let settings = format!(
            "provider_installation {{\n  dev_overrides {{ \"kubeone/kubeone\" = \"{}\" }}\n  direct {{}}\n}}\n",
            program.parent().expect("it lies in a folder").display()
        );
        std::fs::write(folder.path().join("terraformrc"), settings).expect("it can be written");
        Self { folder }
    }

    /// `None` where tests may be left out, and there is no terraform.
    fn terraform(&self, arguments: &[&str]) -> Option<Output> {
        let program = test_programs::terraforms().into_iter().next()?;
        let mut command = Command::new(program);
        command.args(arguments).arg("-no-color").current_dir(self.folder.path());
        command.env("TF_CLI_CONFIG_FILE", self.folder.path().join("terraformrc")).env("CHECKPOINT_DISABLE", "1");
        Some(command.output().expect("terraform starts"))
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_example_is_valid() {
    let workspace = Workspace::of_example("local");
    let Some(output) = workspace.terraform(&["validate"]) else { return };
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn its_first_plan_shows_the_steps_of_each_host() {
    let workspace = Workspace::of_example("local");
    std::fs::write(workspace.folder.path().join("id"), "").unwrap();
    std::fs::write(workspace.folder.path().join("id.pub"), "ssh-ed25519 AAAA").unwrap();
    let Some(output) = workspace.terraform(&["plan", "-var=ssh_key_file=id", "-var=control_planes=3"]) else { return };
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    for step in
        ["control-plane-1: initialize control plane", "control-plane-3: join control plane", "worker-1: join worker"]
    {
        assert!(shown.contains(step), "{step}: {shown}");
    }
}

#[test]
fn a_mistake_is_shown_at_its_line() {
    let workspace = Workspace::of_example("local");
    let main = workspace.folder.path().join("main.tf");
    let text_of_main = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text_of_main.replace("var.kubernetes_version", "\"latest\"")).unwrap();
    let Some(output) = workspace.terraform(&["validate"]) else { return };
    let shown = text(&output);
    assert!(shown.contains("kubernetes_version = \"latest\""), "{shown}");
    assert!(shown.contains("`latest` is not a Kubernetes version"), "{shown}");
}
