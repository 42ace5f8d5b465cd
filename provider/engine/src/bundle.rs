//! Copies of snapshots on the machine that runs Terraform: `NAME.db` with `NAME.json`, or `NAME.age`, which is encrypted
//! and holds the keys of the cluster, too.
//!
//! Inside `NAME.age` is a tar archive: `NAME.json`, files of a control plane under their paths, and `NAME.db` as its end.
//! So `age --decrypt` and `tar` open it where this program is not at hand.

mod content;
mod identity;
mod open;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use content::Extent;
pub use identity::{Identity, IdentityError};
use kubeone_facts::Snapshot;
use kubeone_hosts::RemoteFile;
pub use open::open;
pub(crate) use write::{NewCopy, Seal, write};

/// Every encrypted bundle begins with it.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// A copy of a snapshot that was read from its first byte to its last and found whole.
#[derive(Debug)]
pub struct Bundle {
    pub snapshot: Snapshot,
    /// What all control planes share: certificates, keys, and how Secrets are encrypted at rest if they are. Empty in a
    /// copy that is not encrypted.
    pub files: Vec<RemoteFile>,
    path: PathBuf,
    identities: Vec<Identity>,
    database: Extent,
}

impl Bundle {
    /// The snapshot itself, from its beginning with every call. It may be larger than memory. Whoever uses it compares its
    /// checksum, as with everything that comes from a disk.
    pub fn database(&self) -> Result<Box<dyn Read + Send>, BundleError> {
        let mut reader = open::plaintext(&self.path, &self.identities)?;
        let skipped = io::copy(&mut reader.by_ref().take(self.database.begin), &mut io::sink());
        skipped.map_err(|error| BundleError::reading(&self.path, error))?;
        Ok(Box::new(reader.take(self.database.size)))
    }
}

/// Why a copy of a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("`{}` could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not a copy of a snapshot", path.display())]
    NotABundle { path: PathBuf },
    #[error("`{}` is encrypted, and there is no key to open it with", path.display())]
    NoIdentity { path: PathBuf },
    #[error("`{}` is encrypted for others: none of the keys opens it", path.display())]
    WrongIdentity { path: PathBuf },
    #[error("`{}` ends too early", path.display())]
    Truncated { path: PathBuf },
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },
}

impl BundleError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { .. } => None,
            Self::NotABundle { .. } => {
                Some("name a file NAME.age, or a file NAME.db that has its description NAME.json beside it")
            }
            Self::NoIdentity { .. } => Some(
                "set `backup.identity` or `backup.identity_file` in the block of the provider to the private key of one \
                 of the recipients",
            ),
            Self::WrongIdentity { .. } => Some("use the private key of one of the `backup.recipients` of that time"),
            Self::Truncated { .. } | Self::Damaged { .. } => {
                Some("use another copy, or the snapshot in /var/backups/kubeone on a control plane if there is one")
            }
        }
    }

    fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }

    /// age and tar tell with the kind of their errors whether bytes are missing or wrong.
    fn reading(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated { path: path.to_owned() },
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::damaged(path, source.to_string())
            }
            _ => Self::Read { path: path.to_owned(), source },
        }
    }
}

fn open_file(path: &Path) -> Result<File, BundleError> {
    File::open(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
