//! What can go wrong with a host, in words for the one who runs Terraform.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::excerpt::excerpt;
use crate::ssh::{ConnectError, HostKeyProblem};

/// Something a host did not do. Every message starts with the name of the host.
#[derive(Debug, Error)]
pub enum HostError {
    #[error("[{host}] could not connect to `{endpoint}`")]
    Connect { host: String, endpoint: String, source: ConnectError },

    #[error("[{host}] the host key of `{endpoint}` is not trusted")]
    HostKey { host: String, endpoint: String, source: Box<HostKeyProblem> },

    #[error("[{host}] user `{user}` could not log in: {}", rejected(.tried))]
    Auth {
        host: String,
        user: String,
        /// Keys that were offered, in order.
        tried: Vec<String>,
        /// What the server's banner said, if anything.
        banner: String,
    },

    #[error("[{host}] user `{user}` cannot run scripts as root: {}", or_silence(.message))]
    NoRootShell { host: String, user: String, exit_code: Option<u32>, message: String },

    #[error(transparent)] // the failure carries host, script and line itself
    Script(Box<ScriptFailure>),

    #[error("[{host}] the connection was lost during `{during}`")]
    ConnectionLost { host: String, during: String },

    #[error("[{host}] no channel could be opened for `{during}`")]
    Channel { host: String, during: String, source: Box<russh::Error> },

    #[error("[{host}] could not reach `{address}:{port}` from the host")]
    Tunnel { host: String, address: String, port: u16, source: Box<russh::Error> },

    #[error("[{host}] unit `{unit}` ended without a result: it was killed or the host was restarted")]
    UnitVanished { host: String, unit: String },

    /// The host is there, and what it says is of no use: too late, too long, or of another form.
    #[error("[{host}] unusable answer of `{script}`: {problem}")]
    Answer { host: String, script: String, problem: AnswerProblem },

    #[error("`{path}` cannot be the path of a file on a host")]
    Path { path: String },

    #[error("variable `{variable}` of `{script}` contains a NUL byte")]
    NulInVariable { script: String, variable: String },

    #[error("[{host}] the fake host was not prepared for `{call}`")]
    Unprepared { host: String, call: String },
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerProblem {
    #[error("it printed more than {limit} bytes on {stream}")]
    TooLong { stream: &'static str, limit: usize },
    #[error("more than {limit} bytes were printed on {stream} before it started")]
    TooMuchNoise { stream: &'static str, limit: usize },
    #[error("it was not done within {} s", .0.as_secs())]
    Late(Duration),
    /// Why it could not be understood.
    #[error("{0}")]
    Unreadable(String),
}

/// A script that ran and failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFailure {
    pub host: String,
    pub script: String,
    /// Line of the script's file; `None` when the script ended itself with `exit`.
    pub line: Option<u32>,
    /// `None` when a signal ended it.
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
    /// What it printed last, without secrets: at most 20 lines.
    pub last_lines: Vec<String>,
}

impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] `{}", self.host, self.script)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match (self.exit_code, &self.signal) {
            (Some(code), _) => write!(f, "` failed with exit code {code}")?,
            (None, Some(signal)) => write!(f, "` was ended by signal {signal}")?,
            (None, None) => write!(f, "` ended without an exit code")?,
        }
        match self.last_lines.as_slice() {
            [] => Ok(()),
            [only] => write!(f, ": {only}"),
            lines => write!(f, "; its last lines:\n  {}", lines.join("\n  ")),
        }
    }
}

impl std::error::Error for ScriptFailure {}

impl HostError {
    /// An answer that was not understood. `problem` may quote it, and is cut where it does so at length.
    pub fn unreadable(host: &str, script: &str, problem: impl fmt::Display) -> Self {
        let problem = AnswerProblem::Unreadable(excerpt(&problem.to_string(), LONGEST_QUOTE));
        Self::Answer { host: host.to_owned(), script: script.to_owned(), problem }
    }

    /// No answer came in time.
    pub(crate) fn late(host: &str, script: &str, deadline: Duration) -> Self {
        Self::Answer { host: host.to_owned(), script: script.to_owned(), problem: AnswerProblem::Late(deadline) }
    }

    /// Whether nothing is known about the host because it could not be reached, as opposed to a host that answered
    /// and failed.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectionLost { .. })
    }

    /// Whether the host answered, and with something that none of our scripts prints.
    pub fn is_strange_answer(&self) -> bool {
        matches!(self, Self::Answer { problem, .. } if !matches!(problem, AnswerProblem::Late(_)))
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { endpoint, .. } => Some(format!(
                "is the machine up, and does a firewall let this machine reach {endpoint}? A machine that needs longer \
                 to start: raise `ssh.connect_timeout_seconds`"
            )),
            Self::HostKey { source, .. } => Some(source.hint()),
            Self::Auth { user, banner, .. } => {
                let mut hint = format!("is the public key in the authorized_keys of `{user}` on this host?");
                if !banner.is_empty() {
                    hint.push_str(" The host says: ");
                    hint.push_str(banner);
                }
                Some(hint)
            }
            Self::NoRootShell { user, .. } if user == "root" => Some("bash must be installed on the host".to_owned()),
            Self::NoRootShell { user, .. } => Some(format!(
                "`{user}` must be able to use sudo without a password (`{user} ALL=(ALL) NOPASSWD: ALL`), and bash must \
                 be installed; or connect as `root`"
            )),
            Self::ConnectionLost { .. } | Self::UnitVanished { .. } => {
                Some("the next apply looks at the host again and goes on from there".to_owned())
            }
            Self::Channel { .. } => Some("does MaxSessions in the host's sshd_config allow 5 sessions?".to_owned()),
            Self::Tunnel { .. } => Some("does the host's sshd_config set AllowTcpForwarding to `no`?".to_owned()),
            Self::Answer { problem: AnswerProblem::Late(_), .. } => Some(
                "is the host short of memory, or its disk stuck? What runs there as a unit goes on; the next apply looks at \
                 the host again"
                    .to_owned(),
            ),
            Self::Answer { .. } => Some(
                "nothing of this answer was used. Is this the machine you mean, and are its bash, sudo and coreutils those \
                 of its system?"
                    .to_owned(),
            ),
            Self::Path { .. } | Self::NulInVariable { .. } => {
                Some("this is a bug in the provider, please report it".to_owned())
            }
            Self::Script(_) | Self::Unprepared { .. } => None,
        }
    }
}

/// Of what a host says by mistake, a message shows the beginning.
const LONGEST_QUOTE: usize = 500;

fn rejected(tried: &[String]) -> String {
    if tried.is_empty() { "there was no key to offer".to_owned() } else { format!("rejected {}", tried.join(", ")) }
}

fn or_silence(message: &str) -> &str {
    if message.is_empty() { "no message" } else { message }
}
