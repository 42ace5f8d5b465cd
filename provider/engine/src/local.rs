//! The machine that runs Terraform, as far as copies of snapshots concern it.

use std::fs;
use std::io;
use std::path::PathBuf;

use kubeone_plan::plan::{Action, Plan};
use kubeone_spec::{ClusterSpec, FieldPath, Finding, Restore, RestoreSource, Secret};

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

    /// A warning where a plan restores from a file that is not there. No error: it may come before the apply needs it, and
    /// that stops nothing before it has read the file.
    pub fn missing_copy(&self, spec: &ClusterSpec, plan: &Plan) -> Option<Finding> {
        let Some(RestoreSource::Local(file)) = spec.restore.as_ref().and_then(Restore::source) else { return None };
        let path = self.path(&file.to_string_lossy()).ok()?;
        let needs_it = |action: &Action| {
            matches!(
                action,
                Action::PrepareRestore { from: Some(_), .. } | Action::InitControlPlane { restore: Some(_), .. }
            )
        };
        if !plan.actions().any(needs_it) || !path.try_exists().is_ok_and(|exists| !exists) {
            return None;
        }
        Some(Finding::warning(
            FieldPath::root("restore").field("snapshot"),
            format!("there is no file `{}` on the machine that runs Terraform", path.display()),
            "The apply needs it, and ends without having stopped anything if it is not there by then.",
        ))
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
    use kubeone_plan::plan::Stage;
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
    fn a_copy_that_is_not_there_is_told_of_when_it_is_needed() {
        const NAME: &str = "prod-20260102T030405Z-r7-v1.36.3";
        let home = TempDir::new().unwrap();
        let local = LocalMachine { home: Some(home.path().to_owned()), ..LocalMachine::default() };
        let spec = serde_json::from_value(serde_json::json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } }, "restore": { "snapshot": format!("~/{NAME}.age") },
        }))
        .unwrap();
        let begins =
            Action::PrepareRestore { host: "cp-1".to_owned(), what: NAME.to_owned(), from: Some("x".to_owned()) };
        let plan = |actions| Plan { stages: vec![Stage { title: String::new(), lanes: vec![actions] }] };
        let told = |actions| local.missing_copy(&spec, &plan(actions)).map(|finding| finding.summary);
        assert_eq!(told(vec![Action::AwaitApi]), None);
        assert!(told(vec![begins.clone()]).is_some_and(|summary| summary.contains(NAME)));
        fs::write(home.path().join(format!("{NAME}.age")), "").unwrap();
        assert_eq!(told(vec![begins]), None);
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
