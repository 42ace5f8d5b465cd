//! The keys of the settings, read and decrypted once.

use std::path::PathBuf;
use std::sync::Arc;

use kubeone_spec::{Bastion, FieldPath, Secret, SshSettings};
use russh::keys::{Certificate, PrivateKey, decode_secret_key, ssh_key};
use thiserror::Error;

use super::LocalEnvironment;

/// A setting of the provider that cannot be used.
#[derive(Debug, Error)]
#[error("`{path}` cannot be used")]
pub struct SettingsError {
    pub path: FieldPath,
    pub source: CredentialProblem,
}

/// Why a setting cannot be used.
#[derive(Debug, Error)]
pub enum CredentialProblem {
    #[error("could not read `{}`", .file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("a path begins with `~`, but the home folder of the user is not known")]
    NoHome,
    #[error("the key is not in a known format (OpenSSH, PKCS#1, PKCS#8, SEC1, PuTTY)")]
    Key(#[source] Box<russh::keys::Error>),
    #[error("the key is encrypted and no passphrase is set")]
    PassphraseMissing,
    #[error("the key could not be decrypted with this passphrase")]
    PassphraseWrong(#[source] Box<russh::keys::Error>),
    #[error("this is not an OpenSSH certificate")]
    Certificate(#[source] ssh_key::Error),
    #[error("the certificate was issued for another key")]
    CertificateOfOtherKey,
    #[error("a certificate needs its private key or the agent")]
    CertificateWithoutKey,
    #[error("this is not a public key such as `ssh-ed25519 AAAA…`")]
    HostKey(#[source] ssh_key::Error),
    #[error("the key that the state pins in `ssh_host_keys` is not a public key such as `ssh-ed25519 AAAA…`")]
    RememberedHostKey(#[source] ssh_key::Error),
    #[error("there is no agent: SSH_AUTH_SOCK is not set")]
    NoAgent,
    #[error("no key is set: neither `private_key`, nor `private_key_file`, nor `agent`")]
    Nothing,
}

/// A private key and the name of the setting it came from.
pub(super) struct Key {
    pub(super) key: Arc<PrivateKey>,
    pub(super) setting: String,
}

/// Everything that may be offered to a server, in this order.
pub(super) struct Credentials {
    pub(super) keys: Vec<Key>,
    pub(super) certificate: Option<Certificate>,
    pub(super) agent_socket: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn of_hosts(settings: &SshSettings, environment: &LocalEnvironment) -> Result<Self, SettingsError> {
        let ssh = FieldPath::root("ssh");
        let passphrase = settings.private_key_passphrase.as_ref();
        let inline = settings.private_key.as_ref();
        let keys = read_keys(&ssh, inline, settings.private_key_file.as_deref(), passphrase, environment)?;
        let certificate = read_certificate(&ssh, settings, environment)?;
        let agent_socket = match (settings.agent, &environment.agent_socket) {
            (false, _) => None,
            (true, Some(socket)) => Some(socket.clone()),
            (true, None) => return Err(SettingsError { path: ssh.field("agent"), source: CredentialProblem::NoAgent }),
        };
        if let Some((path, certificate)) = &certificate {
            let of_key = |key: &Key| key.key.public_key().key_data() == certificate.public_key();
            let source = if keys.is_empty() && agent_socket.is_none() {
                Some(CredentialProblem::CertificateWithoutKey)
            } else if !keys.iter().any(of_key) && agent_socket.is_none() {
                Some(CredentialProblem::CertificateOfOtherKey)
            } else {
                None
            };
            if let Some(source) = source {
                return Err(SettingsError { path: path.clone(), source });
            }
        }
        if keys.is_empty() && agent_socket.is_none() {
            return Err(SettingsError { path: ssh, source: CredentialProblem::Nothing });
        }
        Ok(Self { keys, certificate: certificate.map(|(_, certificate)| certificate), agent_socket })
    }

    /// `None` when the bastion has no key of its own.
    pub(super) fn of_bastion(
        settings: &SshSettings,
        bastion: &Bastion,
        environment: &LocalEnvironment,
    ) -> Result<Option<Self>, SettingsError> {
        let path = FieldPath::root("ssh").field("bastion");
        // The one passphrase of the settings is tried on the bastion's key as well; an unencrypted key ignores it.
        let passphrase = settings.private_key_passphrase.as_ref();
        let file = bastion.private_key_file.as_deref();
        let keys = read_keys(&path, bastion.private_key.as_ref(), file, passphrase, environment)?;
        Ok((!keys.is_empty()).then_some(Self { keys, certificate: None, agent_socket: None }))
    }
}

fn read_keys(
    parent: &FieldPath,
    inline: Option<&Secret<String>>,
    file: Option<&str>,
    passphrase: Option<&Secret<String>>,
    environment: &LocalEnvironment,
) -> Result<Vec<Key>, SettingsError> {
    let mut keys = Vec::new();
    let mut add = |path: FieldPath, text: &str| match decode(text, passphrase) {
        Ok(key) => {
            keys.push(Key { key: Arc::new(key), setting: path.to_string() });
            Ok(())
        }
        Err(source @ CredentialProblem::PassphraseWrong(_)) => {
            Err(SettingsError { path: FieldPath::root("ssh").field("private_key_passphrase"), source })
        }
        Err(source) => Err(SettingsError { path, source }),
    };
    if let Some(text) = inline {
        add(parent.clone().field("private_key"), text.expose())?;
    }
    if let Some(file) = file {
        let path = parent.clone().field("private_key_file");
        let text = Secret::new(read_file(&path, file, environment)?);
        add(path, text.expose())?;
    }
    Ok(keys)
}

fn decode(text: &str, passphrase: Option<&Secret<String>>) -> Result<PrivateKey, CredentialProblem> {
    // Heredocs and environment variables like to lose the last newline or to add spaces.
    let text = format!("{}\n", text.trim());
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(key),
        Err(plain) => match passphrase {
            None if is_encrypted(&text, &plain) => Err(CredentialProblem::PassphraseMissing),
            None => Err(CredentialProblem::Key(Box::new(plain))),
            Some(passphrase) => decode_secret_key(&text, Some(passphrase.expose())).map_err(|error| {
                if is_encrypted(&text, &plain) {
                    CredentialProblem::PassphraseWrong(Box::new(error))
                } else {
                    CredentialProblem::Key(Box::new(error))
                }
            }),
        },
    }
}

fn is_encrypted(text: &str, error: &russh::keys::Error) -> bool {
    matches!(error, russh::keys::Error::KeyIsEncrypted) || text.contains("ENCRYPTED")
}

fn read_certificate(
    ssh: &FieldPath,
    settings: &SshSettings,
    environment: &LocalEnvironment,
) -> Result<Option<(FieldPath, Certificate)>, SettingsError> {
    let (path, text) = match (&settings.certificate, &settings.certificate_file) {
        (Some(text), _) => (ssh.clone().field("certificate"), text.clone()),
        (None, Some(file)) => {
            let path = ssh.clone().field("certificate_file");
            let text = read_file(&path, file, environment)?;
            (path, text)
        }
        (None, None) => return Ok(None),
    };
    match Certificate::from_openssh(text.trim()) {
        Ok(certificate) => Ok(Some((path, certificate))),
        Err(source) => Err(SettingsError { path, source: CredentialProblem::Certificate(source) }),
    }
}

fn read_file(path: &FieldPath, file: &str, environment: &LocalEnvironment) -> Result<String, SettingsError> {
    let file = expand_home(file, environment).map_err(|source| SettingsError { path: path.clone(), source })?;
    std::fs::read_to_string(&file)
        .map_err(|source| SettingsError { path: path.clone(), source: CredentialProblem::Read { file, source } })
}

/// Replaces a leading `~`.
pub(super) fn expand_home(file: &str, environment: &LocalEnvironment) -> Result<PathBuf, CredentialProblem> {
    match file.strip_prefix('~') {
        Some(rest) => {
            let home = environment.home.as_ref().ok_or(CredentialProblem::NoHome)?;
            Ok(home.join(rest.trim_start_matches(['/', '\\'])))
        }
        None => Ok(PathBuf::from(file)),
    }
}
