//! Why a step could not do its work.

use std::path::PathBuf;
use std::time::Duration;

use kubeone_desired::{AddonError, DesiredError};
use kubeone_facts::NotOurs;
use kubeone_hosts::{HostError, OsError};
use kubeone_kubernetes::{ClusterError, KubeconfigError};

use crate::bundle::BundleError;
use crate::local::LocalError;

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
    #[error("what was read could not be written as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    #[error(transparent)]
    Desired(#[from] DesiredError),
    #[error("the addon could not be prepared")]
    Addon(#[from] AddonError),
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
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
