//! Runs the real `terraform` or `tofu` in a folder of its own, with our provider, and keeps what they said.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::lab::artefact::{self, Progress};
use crate::lab::command::output_of;

mod plan;
mod run;
mod state;

pub use plan::{Attribute, Plan};
pub use run::{Background, Diagnostic, Run};
pub use state::State;

/// The addresses of the provider: as our examples spell it, and what `kubeone/kubeone` means to OpenTofu.
const PROVIDERS: [&str; 2] = ["registry.terraform.io/kubeone/kubeone", "registry.opentofu.org/kubeone/kubeone"];

/// One configuration and its state, with the program that works on it.
#[derive(Debug)]
pub struct Terraform {
    program: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, String)>,
    environment: Vec<(OsString, OsString)>,
    runs: usize,
}

impl Terraform {
    /// Takes over the configuration files in `configuration` and works in `folder`, which is emptied first.
    /// `provider` is the program of our provider.
    pub fn new(configuration: &Path, folder: &Path, provider: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("could not empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("logs")).with_context(|| format!("could not create {}", folder.display()))?;
        for entry in
            fs::read_dir(configuration).with_context(|| format!("could not list {}", configuration.display()))?
        {
            let path = entry?.path();
            if let (Some("tf"), Some(name)) = (path.extension().and_then(|it| it.to_str()), path.file_name()) {
                fs::copy(&path, folder.join(name)).with_context(|| format!("could not copy {}", path.display()))?;
            }
        }
        let settings = write_cli_configuration(folder, provider)?;
        let environment = [("TF_IN_AUTOMATION", "1".into()), ("CHECKPOINT_DISABLE", "1".into())];
        let mut terraform = Self {
            program: find()?.context("neither `terraform` nor `tofu` is in PATH, and KUBEONE_TERRAFORM names none")?,
            folder: folder.to_owned(),
            variables: Vec::new(),
            environment: environment.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            runs: 0,
        };
        terraform.set_environment("TF_CLI_CONFIG_FILE", &settings);
        Ok(terraform)
    }

    /// Runs another program than the one that was found.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Where the configuration, the state and the logs are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sets a variable of the configuration for all runs from now on; in HCL, so a string needs quotes inside.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub fn set_environment(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }

    /// Replaces or adds a file of the configuration.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.folder.join(file), text).with_context(|| format!("could not write {file}"))
    }

    pub fn validate(&mut self) -> Result<Run> {
        let (command, log) = self.command("validate", &["-no-color"], &[])?;
        Run::foreground(command, &log)
    }

    /// Plans, and answers the plan. Fails where planning fails; see [`Self::plan_run`] for that case.
    pub fn plan(&mut self, options: &[&str]) -> Result<Plan> {
        Plan::parse(&self.plan_text(options)?)
    }

    /// Plans, and answers the plan as `terraform show -json` prints it.
    pub fn plan_text(&mut self, options: &[&str]) -> Result<String> {
        self.plan_run(options)?.must_succeed()?;
        self.output(&["show", "-json", "plan.out"])
    }

    /// Plans, and answers how that went. `refused` plans can be looked at this way.
    pub fn plan_run(&mut self, options: &[&str]) -> Result<Run> {
        let (command, log) = self.command("plan", &["-json", "-input=false", "-out=plan.out"], options)?;
        Run::foreground(command, &log)
    }

    /// Applies, whatever comes of it.
    pub fn apply(&mut self, options: &[&str]) -> Result<Run> {
        self.apply_in_background(options)?.wait()
    }

    /// Starts to apply and answers at once.
    pub fn apply_in_background(&mut self, options: &[&str]) -> Result<Background> {
        let (command, log) = self.command("apply", &["-json", "-input=false", "-auto-approve"], options)?;
        Background::start(command, &log)
    }

    /// Destroys, whatever comes of it.
    pub fn destroy(&mut self, options: &[&str]) -> Result<Run> {
        self.destroy_in_background(options)?.wait()
    }

    /// Starts to destroy and answers at once.
    pub fn destroy_in_background(&mut self, options: &[&str]) -> Result<Background> {
        let (command, log) = self.command("destroy", &["-json", "-input=false", "-auto-approve"], options)?;
        Background::start(command, &log)
    }

    pub fn state(&mut self) -> Result<State> {
        State::parse(&self.output(&["show", "-json"])?)
    }

    /// The raw text of all state files, for looking for what must not be there.
    pub fn state_text(&self) -> Result<String> {
        let mut text = String::new();
        for name in ["terraform.tfstate", "terraform.tfstate.backup"] {
            if let Ok(part) = fs::read_to_string(self.folder.join(name)) {
                text.push_str(&part);
            }
        }
        Ok(text)
    }

    fn output(&self, arguments: &[&str]) -> Result<String> {
        output_of(self.bare().args(arguments).stdin(Stdio::null()))
    }

    fn command(&mut self, verb: &str, fixed: &[&str], options: &[&str]) -> Result<(Command, PathBuf)> {
        self.runs += 1;
        let log = self.folder.join("logs").join(format!("{:02}-{verb}", self.runs));
        let mut command = self.bare();
        command.arg(verb).args(fixed).args(options).stdin(Stdio::null());
        if verb != "validate" {
            command.args(self.variables.iter().map(|(name, value)| format!("-var={name}={value}")));
        }
        command.env("TF_LOG", "TRACE").env("TF_LOG_PATH", log.with_extension("trace"));
        command.stdout(File::create(log.with_extension("out"))?).stderr(File::create(log.with_extension("err"))?);
        Ok((command, log))
    }

    fn bare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Writes a configuration of the command line that takes our provider from this very machine, and answers its path.
pub fn write_cli_configuration(folder: &Path, provider: &Path) -> Result<PathBuf> {
    let programs = provider.parent().context("the provider lies in no folder")?.display();
    let overrides: Vec<_> = PROVIDERS.iter().map(|name| format!("    \"{name}\" = \"{programs}\"\n")).collect();
    let overrides = overrides.concat();
    let text = format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n");
    let path = folder.join("terraform.rc");
    fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

/// Finds `terraform` or `tofu`, and builds OpenTofu where there is neither; `report` hears of that.
pub fn find_or_build(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    if let Some(program) = find()? {
        return Ok(program);
    }
    report("neither terraform nor tofu is in PATH: OpenTofu is built, once");
    build_opentofu()
}

/// OpenTofu, built from its Go module at first use.
pub fn build_opentofu() -> Result<PathBuf> {
    let built = artefact::ensure(&["opentofu"], &Progress::on_standard_error())?;
    built.first().context("OpenTofu was not built")?.binary("tofu")
}

/// `KUBEONE_TERRAFORM`, else `terraform`, else `tofu` from PATH.
fn find() -> Result<Option<PathBuf>> {
    if let Some(program) = std::env::var_os("KUBEONE_TERRAFORM").map(PathBuf::from) {
        ensure!(program.is_file(), "KUBEONE_TERRAFORM names no program: {}", program.display());
        return Ok(Some(program));
    }
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let mut candidates = ["terraform", "tofu"].into_iter().flat_map(|name| folders.iter().map(move |it| it.join(name)));
    Ok(candidates.find(|path| path.is_file()))
}
