//! What can go wrong while a plan is carried out.

use std::error::Error;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use kubeone_hosts::{HostError, OsError};
use kubeone_kubernetes::{ClusterError, KubeconfigError};

use crate::bundle::BundleError;
use crate::local::LocalError;
use crate::plan::Action;
use crate::report::Report;

/// Why a step could not do its work. The action and its host are named by the [`ExecuteError`] around it.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("`{host}` is not one of the hosts that can be reached")]
    UnknownHost { host: String },
    #[error("the host could not be worked on")]
    Host(#[from] HostError),
    #[error("the operating system is not supported")]
    Os(#[from] OsError),
    #[error("the Kubernetes API could not be used")]
    Kubernetes(#[from] ClusterError),
    #[error("no control plane answers: {reason}")]
    NoApi { reason: String },
    #[error("`{}` is missing on `{host}`", path.display())]
    MissingFile { host: String, path: PathBuf },
    #[error("`{what}` could not be understood: {reason}")]
    Unreadable { what: String, reason: String },
    #[error("{what} is not accepted")]
    Kubeconfig { what: String, source: KubeconfigError },
    #[error("the configuration of kubeadm could not be written")]
    KubeadmConfig(#[from] serde_saphyr::ser::Error),
    #[error("the copy of the snapshot cannot be used")]
    Copy(#[from] BundleError),
    #[error("the settings for this machine cannot be used")]
    Local(#[from] LocalError),
    /// The host is not what the plan was made for; the next plan sees it as it is.
    #[error("{reason}")]
    Refused { reason: String },
    #[error("the kubelet did not run well with its new settings; those before are back")]
    TakenBack { source: Box<StepError> },
    #[error("{condition} did not become true within {} s; last seen: {last_seen}", deadline.as_secs())]
    TimedOut { condition: String, deadline: Duration, last_seen: String },
    #[error("cancelled")]
    Cancelled,
}

impl StepError {
    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Host(error) => error.hint(),
            Self::Kubernetes(error) => error.hint().map(str::to_owned),
            Self::Kubeconfig { source, .. } => Some(source.hint().to_owned()),
            Self::Copy(error) => error.hint().map(str::to_owned),
            Self::TakenBack { .. } => Some(
                "look at `journalctl -u kubelet` on the host, and at flags in /etc/default/kubelet, which go before settings"
                    .to_owned(),
            ),
            Self::NoApi { .. } => Some("look at the kubelet and the static pods of a control plane".to_owned()),
            Self::UnknownHost { .. } => Some("this is a bug in the provider, please report it".to_owned()),
            _ => None,
        }
    }
}

/// An action that failed.
#[derive(Debug)]
pub struct ActionFailure {
    pub action: Action,
    pub source: StepError,
}

/// A plan that did not come to its end. Siblings of a failed action came to theirs; nothing after its stage was begun.
#[derive(Debug)]
pub struct ExecuteError {
    /// Number of the stage, from 1.
    pub stage: usize,
    pub stages: usize,
    pub title: String,
    /// What failed; empty when the run was only cancelled.
    pub failures: Vec<ActionFailure>,
    /// What was done.
    pub report: Report,
    /// How many actions were not begun.
    pub not_begun: usize,
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} of {} (`{}`)", self.stage, self.stages, self.title)?;
        match self.failures.as_slice() {
            [] => f.write_str(": cancelled"),
            [failure] => write!(f, ": {} failed", failure.action),
            [first, rest @ ..] => write!(f, ": {} failed, and {} more", first.action, rest.len()),
        }
    }
}

impl Error for ExecuteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|failure| &failure.source as _)
    }
}

impl ExecuteError {
    /// The whole story: each failure with its causes and hint, what is done, and what the next apply does.
    pub fn detail(&self) -> String {
        let mut text = String::new();
        for failure in &self.failures {
            line(&mut text, &failure.action);
            let mut cause: Option<&dyn Error> = Some(&failure.source);
            while let Some(error) = cause {
                line(&mut text, &format_args!("  caused by: {error}"));
                cause = error.source();
            }
            if let Some(hint) = failure.source.hint() {
                line(&mut text, &format_args!("  hint: {hint}"));
            }
        }
        let done = self.report.done();
        if done.is_empty() {
            line(&mut text, &"Nothing is done yet.");
        } else {
            line(&mut text, &"Done already:");
            for action in &done {
                line(&mut text, &format_args!("  {action}"));
            }
        }
        if self.not_begun > 0 {
            line(&mut text, &format_args!("{} more actions were not begun.", self.not_begun));
        }
        text.push_str("The next apply looks at all hosts again, leaves alone what is done, and goes on from there.");
        text
    }

    pub fn is_cancelled(&self) -> bool {
        self.failures.iter().all(|failure| matches!(failure.source, StepError::Cancelled))
    }
}

fn line(text: &mut String, line: &dyn fmt::Display) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{line}");
}
