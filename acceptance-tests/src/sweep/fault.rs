//! What goes wrong while an action runs.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use crate::scenario::Machine;
use crate::terraform::Background;

const PATIENCE: Duration = Duration::from_mins(2);

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The provider gets SIGKILL.
    ProviderKilled,
    /// The connections to the host break, and it takes no new ones for a moment.
    SshCut,
    /// The host loses its power and boots again.
    HostRebooted,
}

pub const FAULTS: [Fault; 3] = [Fault::ProviderKilled, Fault::SshCut, Fault::HostRebooted];

/// Breaks what is established, from the host's side. The listener keeps its name without `@` or `[priv]`.
const END_SESSIONS: &str = "pkill --signal KILL --full '^sshd: .*(@|\\[priv\\]|notty)' || true";

impl Fault {
    /// Whether nothing more can be disturbed in the same apply.
    pub(super) fn ends_the_apply(self) -> bool {
        self == Self::ProviderKilled
    }

    /// Does it. Afterwards the host can be worked with again.
    pub(super) fn strike(self, apply: &Background, machine: &Machine<'_>) -> Result<()> {
        match self {
            Self::ProviderKilled => apply.kill_provider(),
            Self::SshCut => {
                machine.answer_ssh(false)?;
                machine.run(END_SESSIONS)?;
                std::thread::sleep(Duration::from_secs(3));
                machine.answer_ssh(true)
            }
            Self::HostRebooted => {
                machine.reboot()?;
                machine.wait_until("sshd runs", PATIENCE, "systemctl --quiet is-active ssh")
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProviderKilled => "provider-killed",
            Self::SshCut => "ssh-cut",
            Self::HostRebooted => "host-rebooted",
        })
    }
}
