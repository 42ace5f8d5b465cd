//! Running a real Terraform or OpenTofu with the test provider.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A folder with a configuration, a folder of boxes, and nothing from outside.
pub(crate) struct Workspace {
    program: PathBuf,
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new(program: &Path, resources: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = Self { program: program.to_owned(), folder };
        for name in ["bin", "boxes", "tmp"] {
            std::fs::create_dir(workspace.path(name)).expect("a folder");
        }
        let link = workspace.path("bin").join("terraform-provider-everykind");
        std::os::unix::fs::symlink(super::support::provider(), link).expect("a link");
        let overrides = workspace.path("bin").display().to_string();
        // The two programs look for the same name in different registries.
        let settings = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"registry.terraform.io/example/everykind\" = \"{overrides}\"\n    \
             \"registry.opentofu.org/example/everykind\" = \"{overrides}\"\n  }}\n  direct {{}}\n}}\n"
        );
        std::fs::write(workspace.path("settings"), settings).expect("written");
        workspace.configure(resources);
        workspace
    }

    pub(crate) fn configure(&self, resources: &str) {
        let boxes = self.path("boxes").display().to_string();
        let config = format!(
            "terraform {{\n  required_providers {{\n    everykind = {{ source = \"example/everykind\" }}\n  }}\n}}\n\
             provider \"everykind\" {{\n  folder = \"{boxes}\"\n}}\n{resources}"
        );
        std::fs::write(self.path("main.tf"), config).expect("written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn notes(&self) -> String {
        std::fs::read_to_string(self.path("boxes/notes")).unwrap_or_default()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.path("settings"))
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("TMPDIR", self.path("tmp"))
            .env_remove("TF_LOG")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs and expects success; answers with all output.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = text(&output);
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    }

    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = text(&output);
        assert!(!output.status.success(), "{arguments:?}: {text}");
        text
    }

    #[track_caller]
    pub(crate) fn apply(&self) -> String {
        self.succeed(&["apply", "-auto-approve", "-no-color"])
    }

    #[track_caller]
    pub(crate) fn expect_empty_plan(&self) {
        self.succeed(&["plan", "-detailed-exitcode", "-no-color"]);
    }

    /// Starts a command in a process group of its own, as a shell does.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        use std::os::unix::process::CommandExt;
        let output = std::fs::File::create(self.path("output")).expect("a file");
        let errors = output.try_clone().expect("a file");
        self.command(arguments).process_group(0).stdout(output).stderr(errors).spawn().expect("the program runs")
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.path("output")).unwrap_or_default()
    }

    pub(crate) fn state(&self) -> String {
        std::fs::read_to_string(self.path("terraform.tfstate")).unwrap_or_default()
    }

    /// No socket and no process of the provider is left.
    #[track_caller]
    pub(crate) fn expect_nothing_left(&self) {
        let empty = || std::fs::read_dir(self.path("tmp")).expect("a folder").next().is_none();
        wait_until("the provider's socket is gone", empty);
    }
}

/// Sends a signal to one process, or to a process group when the id is negative.
pub(crate) fn signal(name: &str, id: i64) {
    let status = Command::new("kill").args(["-s", name, "--", &id.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(30), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
