//! What can go wrong when the Kubernetes API is asked for something.

use std::time::Duration;

use thiserror::Error;

use crate::{causes::causes, connection::UnusableAnswer};

/// Why a verb over the API did not succeed. `act` says what was tried, such as "apply DaemonSet kube-system/canal".
#[derive(Debug, Error)]
pub enum ClusterError {
    #[error("{act}: the Kubernetes API does not answer: {reason}")]
    Unreachable { act: String, reason: String },
    #[error("{act}: the Kubernetes API forbids it: {message}")]
    Forbidden { act: String, message: String },
    #[error("{act}: another writer was faster: {message}")]
    Conflict { act: String, message: String },
    #[error("{act}: the Kubernetes API refused with status {status}: {message}")]
    Refused { act: String, status: u16, message: String },
    #[error("{act}: the answer makes no sense: {reason}")]
    Answer { act: String, reason: String },
    #[error("see {what} within {waited:?}; last seen: {last_seen}")]
    NotReady { what: String, waited: Duration, last_seen: String },
    #[error("{what} {difference}")]
    Otherwise { what: String, difference: String },
    #[error("empty node `{node}` within {} s; still there: {pods}", waited.as_secs())]
    NotDrained { node: String, waited: Duration, pods: String },
    #[error("make a random token: {reason}")]
    Random { reason: String },
}

impl ClusterError {
    /// What the reader can do about it, when there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(
                "look at the kube-apiserver container on the control plane: `crictl ps -a`, `journalctl -u kubelet`",
            ),
            Self::Forbidden { .. } => {
                Some("the admin kubeconfig lost its rights: compare the ClusterRoleBinding `kubeadm:cluster-admins`")
            }
            Self::Conflict { .. } => Some("run apply again"),
            Self::NotReady { last_seen, .. } if last_seen.contains("ImagePull") => {
                Some("check that the hosts reach the image registry, or set a mirror for it")
            }
            Self::NotDrained { .. } => Some(
                "let the pods go (more replicas, or a PodDisruptionBudget that allows one to be absent), give them longer with \
                 `drain.timeout`, or delete them with `drain.on_timeout = \"force\"`",
            ),
            Self::Refused { .. }
            | Self::Answer { .. }
            | Self::NotReady { .. }
            | Self::Otherwise { .. }
            | Self::Random { .. } => None,
        }
    }

    pub(crate) fn from_answer(act: String, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let message = short(&status.message);
                match status.code {
                    _ if status.is_forbidden() => Self::Forbidden { act, message },
                    _ if status.is_conflict() => Self::Conflict { act, message },
                    code => Self::Refused { act, status: code, message },
                }
            }
            kube::Error::SerdeError(error) => Self::Answer { act, reason: short(&error.to_string()) },
            kube::Error::Service(error) if error.is::<UnusableAnswer>() => {
                Self::Answer { act, reason: error.to_string() }
            }
            kube::Error::Service(error) => Self::Unreachable { act, reason: short(&causes(error.as_ref())) },
            other => Self::Unreachable { act, reason: short(&causes(other)) },
        }
    }
}

/// More than any message of an API server needs, and what a person reads.
const LONGEST_MESSAGE: usize = 2000;

/// The beginning of a text from the API: whoever answers in its place decides how long it is.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{} … ({} bytes in all)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
