//! Logging in: certificate, key and agent, in the order of the settings.

use std::path::Path;
use std::sync::Arc;

use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKeyWithHashAlg, PublicKey};

use super::credentials::Credentials;
use super::peer::Peer;
use super::public_key::fingerprint;

/// Why nobody is logged in.
pub(super) enum AuthError {
    /// The connection did not live long enough to tell.
    Ssh(Box<russh::Error>),
    /// The server wants none of these.
    Rejected(Vec<String>),
}

pub(super) async fn authenticate(
    handle: &mut Handle<Peer>,
    user: &str,
    credentials: &Credentials,
) -> Result<(), AuthError> {
    let mut tried = Vec::new();
    match offer_all(handle, user, credentials, &mut tried).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(AuthError::Rejected(tried)),
        Err(_) if tried.len() > 1 => {
            tried.push("and then closed the connection (MaxAuthTries)".to_owned());
            Err(AuthError::Rejected(tried))
        }
        Err(error) => Err(AuthError::Ssh(Box::new(error))),
    }
}

/// Offers one after the other until one is taken, and notes each.
async fn offer_all(
    handle: &mut Handle<Peer>,
    user: &str,
    credentials: &Credentials,
    tried: &mut Vec<String>,
) -> Result<bool, russh::Error> {
    for own in &credentials.keys {
        let public = own.key.public_key();
        if let Some(certificate) = certificate_of(credentials, public) {
            tried.push(format!("the certificate `{}` with `{}`", certificate.key_id(), own.setting));
            if handle.authenticate_openssh_cert(user, Arc::clone(&own.key), certificate.clone()).await?.success() {
                return Ok(true);
            }
        }
        tried.push(format!("`{}` ({})", own.setting, fingerprint(public)));
        let hash = signature_hash(handle, public).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&own.key), hash);
        if handle.authenticate_publickey(user, key).await?.success() {
            return Ok(true);
        }
    }
    match &credentials.agent_socket {
        Some(socket) => with_agent(handle, user, credentials, socket, tried).await,
        None => Ok(false),
    }
}

async fn with_agent(
    handle: &mut Handle<Peer>,
    user: &str,
    credentials: &Credentials,
    socket: &Path,
    tried: &mut Vec<String>,
) -> Result<bool, russh::Error> {
    let mut agent = match connect_agent(socket).await {
        Ok(agent) => agent,
        Err(error) => {
            tried.push(format!("the agent at `{}` ({error})", socket.display()));
            return Ok(false);
        }
    };
    let identities = agent.request_identities().await.unwrap_or_default();
    if identities.is_empty() {
        tried.push("the agent, which holds no key".to_owned());
    }
    for identity in identities {
        let (public, certificate) = match &identity {
            AgentIdentity::PublicKey { key, .. } => (key.clone(), certificate_of(credentials, key).cloned()),
            AgentIdentity::Certificate { certificate, .. } => {
                (PublicKey::new(certificate.public_key().clone(), ""), Some(certificate.clone()))
            }
        };
        let hash = signature_hash(handle, &public).await?;
        if handle.is_closed() {
            return Err(russh::Error::Disconnect);
        }
        // An agent that declines to sign says nothing about its other keys.
        if let Some(certificate) = certificate {
            tried.push(format!("the certificate `{}` with the agent", certificate.key_id()));
            let answer = handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await;
            if answer.is_ok_and(|answer| answer.success()) {
                return Ok(true);
            }
        }
        if matches!(identity, AgentIdentity::PublicKey { .. }) {
            tried.push(format!("the agent's key {}", fingerprint(&public)));
            let answer = handle.authenticate_publickey_with(user, public, hash, &mut agent).await;
            if answer.is_ok_and(|answer| answer.success()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

#[cfg(unix)]
async fn connect_agent(socket: &Path) -> Result<Agent, russh::keys::Error> {
    Ok(AgentClient::connect_uds(socket).await?.dynamic())
}

#[cfg(windows)]
async fn connect_agent(socket: &Path) -> Result<Agent, russh::keys::Error> {
    Ok(AgentClient::connect_named_pipe(socket).await?.dynamic())
}

/// The certificate of the settings, if it was issued for this key.
fn certificate_of<'a>(credentials: &'a Credentials, key: &PublicKey) -> Option<&'a Certificate> {
    credentials.certificate.as_ref().filter(|certificate| certificate.public_key() == key.key_data())
}

/// An RSA key can sign with several hashes; servers of today refuse the oldest one.
async fn signature_hash(handle: &Handle<Peer>, key: &PublicKey) -> Result<Option<HashAlg>, russh::Error> {
    match key.algorithm() {
        Algorithm::Rsa { .. } => Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha512))),
        _ => Ok(None),
    }
}
