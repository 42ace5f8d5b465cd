//! The machine that runs Terraform, as far as copies of snapshots concern it.

use std::fs;
use std::io;
use std::path::PathBuf;

use kubeone_spec::Secret;

use crate::bundle::{Identity, IdentityError};

/// What there is on the machine that runs Terraform. Nothing of it is read before it is needed.
#[derive(Clone, Debug, Default)]
pub struct LocalMachine {
    /// Folder that a leading `~` stands for.
    pub home: Option<PathBuf>,
    /// A private key that opens encrypted copies.
    pub identity: Option<Secret<String>>,
    /// File with such keys.
    pub identity_file: Option<String>,
}

/// What is wrong with a setting that names something on the machine that runs Terraform.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("`{path}` begins with `~`, and the home folder is not known")]
    NoHome { path: String },
    #[error("`{}` could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{setting}` cannot be used")]
    Identity { setting: &'static str, source: IdentityError },
}

impl LocalMachine {
    /// A path as the user writes it.
    pub fn path(&self, text: &str) -> Result<PathBuf, LocalError> {
        let Some(rest) = text.strip_prefix('~') else { return Ok(PathBuf::from(text)) };
        let home = self.home.as_ref().ok_or_else(|| LocalError::NoHome { path: text.to_owned() })?;
        Ok(home.join(rest.trim_start_matches(['/', '\\'])))
    }

    /// All keys that open encrypted copies; none when the user has named none.
    pub fn identities(&self) -> Result<Vec<Identity>, LocalError> {
        let mut keys = Vec::new();
        if let Some(text) = &self.identity {
            keys.extend(parse("backup.identity", text)?);
        }
        if let Some(file) = &self.identity_file {
            let path = self.path(file)?;
            let text = fs::read_to_string(&path).map_err(|source| LocalError::Read { path, source })?;
            keys.extend(parse("backup.identity_file", &Secret::new(text))?);
        }
        Ok(keys)
    }
}

fn parse(setting: &'static str, text: &Secret<String>) -> Result<Vec<Identity>, LocalError> {
    Identity::parse_all(text).map_err(|source| LocalError::Identity { setting, source })
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let local = LocalMachine { home: Some(PathBuf::from("/home/ann")), ..LocalMachine::default() };
        assert_eq!(local.path("~/copies").unwrap(), PathBuf::from("/home/ann/copies"));
        assert_eq!(local.path("/copies").unwrap(), PathBuf::from("/copies"));
        assert!(LocalMachine::default().path("~/copies").is_err());
    }

    #[test]
    fn keys_come_from_the_setting_and_from_the_file() {
        let home = TempDir::new().unwrap();
        let key = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        let local = LocalMachine { home: Some(home.path().to_owned()), ..LocalMachine::default() };
        assert!(local.identities().unwrap().is_empty());
        let local = LocalMachine { identity_file: Some("~/key".to_owned()), ..local };
        assert!(local.identities().unwrap_err().to_string().contains("key"));
        fs::write(home.path().join("key"), format!("# public key: …\n{key}\n")).unwrap();
        assert_eq!(local.identities().unwrap().len(), 1);
        let both = LocalMachine { identity: Some(Secret::new(key.clone())), ..local.clone() };
        assert_eq!(both.identities().unwrap().len(), 2);
        assert!(!format!("{both:?}").contains(&key));
        let wrong = LocalMachine { identity: Some(Secret::new("AGE-SECRET-KEY-1X".to_owned())), ..local };
        assert_eq!(wrong.identities().unwrap_err().to_string(), "`backup.identity` cannot be used");
    }
}
