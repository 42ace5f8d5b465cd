//! A scenario: a lab of its own, the local example in it, and everything needed to look at them and to disturb them.
//!
//! | to | there is |
//! |---|---|
//! | run terraform | [`Scenario::plan`], [`Scenario::apply`], [`Scenario::apply_fails_with`], [`Scenario::apply_in_background`], [`Scenario::destroy`], [`Scenario::state`]; the rest is in [`Scenario::terraform`] |
//! | choose and change versions | [`Scenario::prepare_kubernetes`] with all of them before the first apply, then [`Scenario::set_kubernetes_version`] |
//! | choose hosts | variables `control_planes` and `workers`, or [`Scenario::set_names`] to take any one away |
//! | make new machines of old names | [`Scenario::new_machine`] with the same [`Address`] or another one |
//! | look into a host | [`Scenario::machine`]: [`Machine::run`], [`Machine::succeeds`], [`Machine::wait_until`], [`Machine::ssh_logins`] |
//! | show that a host was left alone | [`Machine::traces`], later [`Machine::must_be_untouched_since`]; that nothing is left of a cluster: [`Machine::must_have_no_trace`] |
//! | disturb a host | [`Machine::kill`], [`Machine::shut_down`], [`Machine::start`], [`Machine::reboot`], [`Machine::reboot_in_order`], [`Machine::remove`], [`Machine::plug`], [`Machine::answer_ssh`] |
//! | ask the cluster | [`Scenario::kubectl`], [`Scenario::kubectl_json`], [`Scenario::kubectl_apply`]; whether it is well: [`Scenario::all_hosts_are_ready_nodes`], [`Scenario::etcd_is_whole`], [`Scenario::only_cordoned`] |
//! | watch what users feel | [`Scenario::probe_api`], [`Scenario::probe_quorum`], [`Scenario::probe_workload`], each a [`Probe`] whose [`Probe::end`] answers a [`Report`] |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lab::command::output_of;
use crate::lab::{Lab, paths};
use crate::terraform::{Background, Plan, Run, State, Terraform};

mod etcd;
mod guard;
mod kubectl;
mod machine;
mod no_trace;
mod probe;
mod replacement;
mod traces;
mod versions;

pub use guard::{Guard, clean_up_when_interrupted};
pub use machine::Machine;
pub use probe::{Outage, Probe, Report, Request};
pub use replacement::Address;
pub use traces::Traces;

/// A running scenario. Dropped, it takes its lab with it, whatever state that is in.
#[derive(Debug)]
pub struct Scenario {
    pub terraform: Terraform,
    lab: Lab,
    ssh_key: PathBuf,
    /// What single hosts need beside their name, as the example's variable `machines` has it.
    machines: BTreeMap<String, serde_json::Value>,
    _guard: Guard,
}

/// The programs a scenario runs, which Cargo builds.
#[derive(Debug, Clone)]
pub struct Programs {
    pub lab: PathBuf,
    pub provider: PathBuf,
}

impl Programs {
    /// The lab program that Cargo built with the test, and the provider of `KUBEONE_PROVIDER`, else the one beside it.
    pub fn of_this_build(lab: &str) -> Self {
        let lab = PathBuf::from(lab);
        let provider = std::env::var_os("KUBEONE_PROVIDER").map(PathBuf::from);
        let provider = provider.unwrap_or_else(|| lab.with_file_name("terraform-provider-kubeone"));
        Self { lab, provider }
    }
}

/// Makes a pair of keys: the private one is this file.
pub fn make_ssh_key(file: &Path) -> Result<()> {
    let quietly = ["-q", "-t", "ed25519", "-N", "", "-f"];
    output_of(Command::new("ssh-keygen").args(quietly).arg(file)).map(drop)
}

impl Scenario {
    /// A scenario on the local example. The name becomes the lab's, so two of the same name cannot run side by side.
    pub fn of_local_example(name: &str, programs: &Programs) -> Result<Self> {
        let example = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples-terraform/local"));
        Self::of_configuration(name, example, programs)
    }

    /// A scenario on another configuration. It is given the variables `lab` and `ssh_key_file`.
    pub fn of_configuration(name: &str, configuration: &Path, programs: &Programs) -> Result<Self> {
        let lab = Lab::named(&format!("test-{name}"))?;
        let guard = Guard::over(&lab)?;
        let folder = paths::cache()?.join("scenarios").join(name);
        let mut terraform = Terraform::new(configuration, &folder, &programs.provider)?;
        let ssh_key = folder.join("ssh-key");
        make_ssh_key(&ssh_key)?;
        terraform.set_environment("KUBEONE_LAB", &lab.name);
        terraform.set_environment("TF_VAR_lab", &programs.lab);
        terraform.set_environment("TF_VAR_ssh_key_file", &ssh_key);
        Ok(Self { terraform, lab, ssh_key, machines: BTreeMap::new(), _guard: guard })
    }

    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The private key that logs in to every host.
    pub fn ssh_key(&self) -> &Path {
        &self.ssh_key
    }

    /// A host of the scenario by its name, such as `control-plane-1`.
    pub fn machine(&self, name: &str) -> Machine<'_> {
        Machine::new(&self.lab, name)
    }

    pub fn plan(&mut self) -> Result<Plan> {
        self.terraform.plan(&[])
    }

    /// Applies, and proves that a second plan is empty.
    pub fn apply(&mut self) -> Result<Run> {
        let run = self.terraform.apply(&[])?;
        run.must_succeed()?;
        self.plan()?.must_be_empty().context("the second plan is not empty")?;
        Ok(run)
    }

    /// Applies, which must fail with an error that says so.
    pub fn apply_fails_with(&mut self, words: &str) -> Result<Run> {
        let run = self.terraform.apply(&[])?;
        run.must_fail_with(words)?;
        Ok(run)
    }

    /// Starts to apply and answers at once; see [`Background`] for how to disturb it.
    pub fn apply_in_background(&mut self) -> Result<Background> {
        self.terraform.apply_in_background(&[])
    }

    /// Destroys everything, and proves that the state is empty.
    pub fn destroy(&mut self) -> Result<Run> {
        let run = self.terraform.destroy(&[])?;
        run.must_succeed()?;
        let state = self.state()?;
        ensure!(state.addresses().is_empty(), "after destroy the state has {:?}", state.addresses());
        Ok(run)
    }

    pub fn state(&mut self) -> Result<State> {
        self.terraform.state()
    }
}
