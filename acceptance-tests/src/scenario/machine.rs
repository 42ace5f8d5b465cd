//! One host as a scenario sees it: it can be looked into, and its power can be cut.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::command::{output_of, succeeds};
use crate::lab::{Host, Lab, host, wait};

/// A host by name. It need not exist yet.
#[derive(Debug, Clone)]
pub struct Machine<'lab> {
    lab: &'lab Lab,
    name: String,
}

impl<'lab> Machine<'lab> {
    pub(super) fn new(lab: &'lab Lab, name: &str) -> Self {
        Self { lab, name: name.to_owned() }
    }

    pub fn host(&self) -> Result<Host> {
        host::existing(self.lab, &self.name)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_on(&self) -> Result<bool> {
        Ok(host::init_process(self.lab, &self.name)?.is_some())
    }

    /// Runs a shell script as root, past SSH, and answers what it prints. It must succeed.
    pub fn run(&self, script: &str) -> Result<String> {
        output_of(&mut host::exec(self.lab, &self.name, &shell(script))?).with_context(|| format!("on `{}`", self.name))
    }

    /// Whether a shell script succeeds. On a host that is off nothing does.
    pub fn succeeds(&self, script: &str) -> Result<bool> {
        if !self.is_on()? {
            return Ok(false);
        }
        succeeds(&mut host::exec(self.lab, &self.name, &shell(script))?)
    }

    /// Waits until a shell script succeeds.
    pub fn wait_until(&self, what: &str, limit: Duration, script: &str) -> Result<()> {
        wait::until(&format!("{what} on `{}`", self.name), limit, || self.succeeds(script))
    }

    /// How often anybody has logged in over SSH since the host exists.
    pub fn ssh_logins(&self) -> Result<usize> {
        let count = self.run("journalctl --unit=ssh --output=cat | grep --count '^Accepted ' || true")?;
        count.trim().parse().with_context(|| format!("`{}` is no number", count.trim()))
    }

    /// Cuts the power: without warning, and only the disk stays. Of a host that never comes back this is the end.
    pub fn kill(&self) -> Result<()> {
        host::kill(self.lab, &self.name)
    }

    /// Boots the host again, with the same disk.
    pub fn start(&self) -> Result<()> {
        host::start(self.lab, &self.host()?)
    }

    /// Powers off in good order, as `poweroff` does.
    pub fn shut_down(&self) -> Result<()> {
        host::shut_down(self.lab, &self.name)
    }

    /// A power cut, and power again.
    pub fn reboot(&self) -> Result<()> {
        self.kill()?;
        self.start()
    }

    /// Reboots in good order, as an administrator does after an update of the kernel.
    pub fn reboot_in_order(&self) -> Result<()> {
        self.shut_down()?;
        self.start()
    }

    /// Removes the machine with its disk, behind Terraform's back.
    pub fn remove(&self) -> Result<()> {
        host::destroy(self.lab, &self.name, None)
    }

    /// Pulls the network cable: nobody gets an answer any more. `true` plugs it in again.
    pub fn plug(&self, plugged: bool) -> Result<()> {
        host::plug(self.lab, &self.name, plugged)
    }

    /// `false`: SSH gets no answer any more, all else goes on. `true` ends that.
    pub fn answer_ssh(&self, answers: bool) -> Result<()> {
        host::answer_ssh(self.lab, &self.name, answers)
    }
}

fn shell(script: &str) -> [String; 3] {
    ["bash".to_owned(), "-c".to_owned(), script.to_owned()]
}
