//! Whether the key a server shows is the one it must have.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kubeone_spec::{FieldPath, HostKeyPolicy, SshSettings};
use russh::keys::{Algorithm, HashAlg, PublicKey, known_hosts, ssh_key};
use thiserror::Error;

use super::credentials::expand_home;
use super::link::Target;
use super::{LocalEnvironment, SettingsError};

/// Why a host key is not trusted.
#[derive(Debug, Error)]
pub enum HostKeyProblem {
    #[error("it shows {seen}, but `ssh_host_key` is {pinned}")]
    NotThePinned { pinned: String, seen: String },
    #[error("it shows {seen}, but `ssh_host_key` is not set and the policy is `pinned`")]
    NotPinned { seen: String, line: String },
    #[error("it shows {seen}, but line {line} of `{}` says {known}", .file.display())]
    Changed { known: String, seen: String, file: PathBuf, line: usize },
    #[error("it shows {seen}, and `{}` does not know this host", .file.display())]
    Unknown { seen: String, file: PathBuf },
    #[error("it shows {seen}, which is marked as revoked in `{}`", .file.display())]
    Revoked { seen: String, file: PathBuf },
    #[error("`{}` could not be read", .file.display())]
    Read { file: PathBuf, source: Box<russh::keys::Error> },
    #[error("the new key could not be added to `{}`", .file.display())]
    Record { file: PathBuf, source: std::io::Error },
}

impl HostKeyProblem {
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NotThePinned { .. } => "either the machine was replaced, then set `ssh_host_key` to its new key, or \
                                          somebody sits in between"
                .to_owned(),
            Self::NotPinned { line, .. } => {
                format!("when you have checked that this is the right key, set `ssh_host_key = \"{line}\"`")
            }
            Self::Changed { file, line, .. } => format!(
                "either the machine was replaced, then remove line {line} of `{}`, or somebody sits in between",
                file.display()
            ),
            Self::Unknown { file, .. } => {
                format!("add the key to `{}`, set `ssh_host_key`, or use the policy `accept_new`", file.display())
            }
            Self::Revoked { .. } => "this key must not be used any more: the host needs a new one".to_owned(),
            Self::Read { file, .. } | Self::Record { file, .. } => {
                format!("is `{}` a file of known hosts that you may read and write?", file.display())
            }
        }
    }
}

/// The policy and the file of known hosts, shared by all hosts.
pub(super) struct HostKeyCheck {
    policy: HostKeyPolicy,
    file: PathBuf,
    /// Several hosts are met at once; only one at a time is written down.
    recording: Mutex<()>,
}

impl HostKeyCheck {
    pub(super) fn new(settings: &SshSettings, environment: &LocalEnvironment) -> Result<Self, SettingsError> {
        let file = match settings.host_key_policy {
            // The file is not looked at, so a home folder need not be known.
            HostKeyPolicy::Pinned => PathBuf::from(&settings.known_hosts_file),
            HostKeyPolicy::KnownHosts | HostKeyPolicy::AcceptNew => {
                expand_home(&settings.known_hosts_file, environment).map_err(|source| SettingsError {
                    path: FieldPath::root("ssh").field("known_hosts_file"),
                    source,
                })?
            }
        };
        Ok(Self { policy: settings.host_key_policy, file, recording: Mutex::new(()) })
    }

    /// Algorithms of the keys that are known for a host, so that the server shows the key we can compare.
    pub(super) fn known_algorithms(&self, target: &Target) -> Vec<Algorithm> {
        let keys = match &target.pinned {
            Some(key) => vec![key.clone()],
            // A file that cannot be read is reported by `check`.
            None => self.known(target).unwrap_or_default().into_iter().map(|(_, key)| key).collect(),
        };
        keys.iter().flat_map(|key| signature_algorithms(&key.algorithm())).collect()
    }

    /// Whether `seen` is the key of `target`; writes it down where the policy says so.
    pub(super) fn check(&self, target: &Target, seen: &PublicKey) -> Result<(), HostKeyProblem> {
        if let Some(pinned) = &target.pinned {
            return if pinned.key_data() == seen.key_data() {
                Ok(())
            } else {
                Err(HostKeyProblem::NotThePinned { pinned: fingerprint(pinned), seen: fingerprint(seen) })
            };
        }
        if self.policy == HostKeyPolicy::Pinned {
            return Err(HostKeyProblem::NotPinned { seen: fingerprint(seen), line: known_hosts_form(seen) });
        }
        let _one_at_a_time = self.recording.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = self.known(target)?;
        if self.is_revoked(seen)? {
            return Err(HostKeyProblem::Revoked { seen: fingerprint(seen), file: self.file.clone() });
        }
        match known.first() {
            _ if known.iter().any(|(_, key)| key.key_data() == seen.key_data()) => Ok(()),
            Some((line, key)) => Err(HostKeyProblem::Changed {
                known: fingerprint(key),
                seen: fingerprint(seen),
                file: self.file.clone(),
                line: *line,
            }),
            None if self.policy == HostKeyPolicy::AcceptNew => record(&self.file, target, seen)
                .map_err(|source| HostKeyProblem::Record { file: self.file.clone(), source }),
            None => Err(HostKeyProblem::Unknown { seen: fingerprint(seen), file: self.file.clone() }),
        }
    }

    fn known(&self, target: &Target) -> Result<Vec<(usize, PublicKey)>, HostKeyProblem> {
        known_hosts::known_host_keys_path(&target.address.to_lowercase(), target.port, &self.file)
            .map_err(|source| HostKeyProblem::Read { file: self.file.clone(), source: Box::new(source) })
    }

    fn is_revoked(&self, seen: &PublicKey) -> Result<bool, HostKeyProblem> {
        let form = known_hosts_form(seen);
        match fs::read_to_string(&self.file) {
            Ok(text) => Ok(text.lines().any(|line| line.starts_with("@revoked") && line.contains(&form))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => {
                Err(HostKeyProblem::Read { file: self.file.clone(), source: Box::new(russh::keys::Error::IO(error)) })
            }
        }
    }
}

/// Reads `ssh-ed25519 AAAA…`, with or without a comment.
pub(super) fn parse(text: &str) -> Result<PublicKey, ssh_key::Error> {
    PublicKey::from_openssh(text.trim())
}

/// `ssh-ed25519 AAAA…` without a comment.
pub(super) fn known_hosts_form(key: &PublicKey) -> String {
    PublicKey::new(key.key_data().clone(), "").to_openssh().unwrap_or_default().trim_end().to_owned()
}

/// What `ssh-keygen -l` prints: the kind of key and its SHA-256.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// An RSA key signs with several algorithms, and the key exchange names those.
fn signature_algorithms(algorithm: &Algorithm) -> Vec<Algorithm> {
    match algorithm {
        Algorithm::Rsa { .. } => {
            [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }).to_vec()
        }
        other => vec![other.clone()],
    }
}

/// Appends a line in one write, so that another process appending at the same time cannot mix with it.
fn record(file: &Path, target: &Target, key: &PublicKey) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        create_private_folder(folder)?;
    }
    let address = target.address.to_lowercase();
    let host = if target.port == 22 { address } else { format!("[{address}]:{}", target.port) };
    let unfinished = fs::read(file).is_ok_and(|content| content.last().is_some_and(|last| *last != b'\n'));
    let line = format!("{}{host} {}\n", if unfinished { "\n" } else { "" }, known_hosts_form(key));
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(line.as_bytes())
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
