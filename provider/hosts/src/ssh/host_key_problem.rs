//! Why a host key is not trusted, and what the user can do about it.

use std::path::PathBuf;

use thiserror::Error;

/// Why a host key is not trusted.
#[derive(Debug, Error)]
pub enum HostKeyProblem {
    #[error("it shows {seen}, but `ssh_host_key` is {pinned}")]
    NotThePinned { pinned: String, seen: String },
    #[error("it shows {seen}, but `ssh_host_keys[{host:?}]` in Terraform's state pins {pinned}")]
    NotTheRemembered { host: String, pinned: String, seen: String, line: String },
    #[error("it shows {seen}, but `ssh_host_key` is not set and the policy is `pinned`")]
    NotPinned { seen: String, line: String },
    #[error("it shows {seen}, but line {line} of `{}` says {known}", .file.display())]
    Changed { known: String, seen: String, file: PathBuf, line: usize },
    #[error("it shows {seen}, and `{}` does not know this host{}", .file.display(), of_certificate(*.certificate))]
    Unknown { seen: String, file: PathBuf, certificate: Option<&'static str> },
    #[error(
        "it shows {seen}, its identity is unverified, and it is about to receive the keys of a cluster that exists"
    )]
    Unverified { seen: String, line: String },
    #[error("it shows {seen}, which is marked as revoked in `{}`", .file.display())]
    Revoked { seen: String, file: PathBuf },
    #[error("it shows a certificate for {seen} whose signature is wrong")]
    Forged { seen: String },
    #[error("it shows {seen}, which is too short to be safe")]
    TooShort { seen: String },
    #[error("`{}` could not be read", .file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("the new key could not be added to `{}`", .file.display())]
    Record { file: PathBuf, source: std::io::Error },
}

impl HostKeyProblem {
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NotThePinned { .. } => "either the machine was replaced, then set `ssh_host_key` to its new key, or \
                                          someone intercepts the connection"
                .to_owned(),
            Self::NotTheRemembered { line, .. } => format!(
                "either someone intercepts the connection, or this is another machine than before, or one that was installed again. A \
                 new machine has another `instance_id`. For the same machine with a new key, set `ssh_host_key = \"{line}\"` \
                 when you have checked that this is the right key"
            ),
            Self::NotPinned { line, .. } => {
                format!("when you have checked that this is the right key, set `ssh_host_key = \"{line}\"`")
            }
            Self::Changed { file, line, .. } => format!(
                "either the machine was replaced, then remove line {line} of `{}`, or someone intercepts the connection",
                file.display()
            ),
            Self::Unknown { file, .. } => {
                format!("add the key to `{}`, set `ssh_host_key`, or use the policy `accept_new`", file.display())
            }
            Self::Unverified { line, .. } => format!(
                "when you have checked that this is the right key, set `ssh_host_key = \"{line}\"`, or add it to your known \
                 hosts. `ssh.unpinned_control_plane = \"refuse\"` asks for that"
            ),
            Self::Revoked { .. } => "this key must not be used any more: the host needs a new one".to_owned(),
            Self::Forged { .. } => {
                "someone intercepts the connection, or the certificate on the host is damaged".to_owned()
            }
            Self::TooShort { .. } => "give the host an Ed25519 key, or an RSA key of 3072 bits".to_owned(),
            Self::Read { file, .. } | Self::Record { file, .. } => {
                format!("is `{}` a file of known hosts that you may read and write?", file.display())
            }
        }
    }
}

fn of_certificate(problem: Option<&'static str>) -> String {
    problem.map(|problem| format!("; its certificate does not help, because {problem}")).unwrap_or_default()
}
