//! The other end of a connection: who it is, and what it may do.

use std::sync::{Arc, Mutex, PoisonError};

use kubeone_spec::HostIdentity;
use russh::client::{self, ChannelOpenHandle, Msg};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure};
use thiserror::Error;

use super::host_key::HostKeyCheck;
use super::host_key_problem::HostKeyProblem;
use super::link::Target;

/// A banner is a sentence or two. What goes beyond is not kept.
const BANNER_BYTES: usize = 4096;

/// What the server told about itself.
#[derive(Default)]
pub(super) struct Seen {
    /// Its key, and how it is known that this is the right one.
    pub(super) key: Option<(PublicKey, HostIdentity)>,
    pub(super) banner: String,
}

/// The other end of a connection. It answers what it is asked, and asks for nothing itself.
pub(super) struct Peer {
    target: Target,
    host_keys: Arc<HostKeyCheck>,
    seen: Arc<Mutex<Seen>>,
}

impl Peer {
    pub(super) fn new(target: Target, host_keys: Arc<HostKeyCheck>, seen: Arc<Mutex<Seen>>) -> Self {
        Self { target, host_keys, seen }
    }
}

#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    #[error("the handshake failed")]
    Ssh(#[from] russh::Error),
    #[error("the host key is not trusted")]
    HostKey(#[source] Box<HostKeyProblem>),
}

impl client::Handler for Peer {
    type Error = HandshakeError;

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), Self::Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut seen.banner, banner);
        Ok(())
    }

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let checked = self.host_keys.check(&self.target, shown);
        let identity = checked.map_err(|problem| HandshakeError::HostKey(Box::new(problem)))?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).key = Some((shown.public_key(), identity));
        Ok(true)
    }

    // Nothing is forwarded, so a server has no reason to open a channel. The library would accept them all.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_unknown(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        refuse(reply).await
    }
}

async fn refuse(reply: ChannelOpenHandle) -> Result<(), HandshakeError> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

/// Adds what a server says, up to a limit.
fn keep(kept: &mut String, said: &str) {
    let said = said.trim();
    if said.is_empty() || kept.len() >= BANNER_BYTES {
        return;
    }
    if !kept.is_empty() {
        kept.push('\n');
    }
    let room = BANNER_BYTES.saturating_sub(kept.len());
    kept.push_str(&said[..said.floor_char_boundary(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_talks_without_end_is_not_listened_to() {
        let mut kept = String::new();
        keep(&mut kept, "  Authorized use only \n");
        keep(&mut kept, "The system is booting up.");
        assert_eq!(kept, "Authorized use only\nThe system is booting up.");
        for _ in 0..100 {
            keep(&mut kept, &"ä".repeat(1000));
        }
        assert!((BANNER_BYTES - 4..=BANNER_BYTES).contains(&kept.len()), "{}", kept.len());
    }
}
