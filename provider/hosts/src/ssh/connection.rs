//! One authenticated SSH connection, and how it comes about.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kubeone_spec::HostIdentity;
use russh::client::{self, Handle};
use russh::keys::PublicKey;
use russh::{ChannelOpenFailure, Preferred};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::authenticate::{AuthError, authenticate};
use super::link::{Link, Target};
use super::peer::{HandshakeError, Peer, Seen};
use crate::{HostError, Stream};

/// sshd allows 10 sessions on a connection by default (MaxSessions), and refuses new ones already below that while
/// others are being closed: with 8 in flight up to 12 % were refused, with 5 none of 1000.
const SESSIONS_AT_ONCE: usize = 5;

/// How often a server that does not answer yet is tried again: short, because a machine that boots is awaited.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// How long a host may refuse connections, or have no route to it, where nobody waits for it to boot. It is asked a few
/// times, because a service that restarts refuses for a moment.
const REFUSALS_FOR: Duration = Duration::from_secs(2);

/// A peer that is silent for this long, times `KEEPALIVES_UNANSWERED`, is gone.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVES_UNANSWERED: usize = 6;

/// Messages a channel holds for a reader that is slow. A full one stops the whole connection, so it is generous.
const MESSAGES_PER_CHANNEL: usize = 4096;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("there was no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("no TCP connection")]
    Tcp(#[source] std::io::Error),
    #[error("the bastion could not reach it")]
    ThroughBastion(#[source] Box<russh::Error>),
    #[error("no SSH session")]
    Ssh(#[source] Box<russh::Error>),
    #[error("the host is still starting: {0}")]
    Starting(String),
}

impl ConnectError {
    /// Whether somebody said that there is nobody, as opposed to saying nothing.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Tcp(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            ),
            Self::ThroughBastion(error) => {
                matches!(**error, russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))
            }
            Self::Timeout(_) | Self::Ssh(_) | Self::Starting(_) => false,
        }
    }
}

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) handle: Handle<Peer>,
    /// Sessions that may still be opened. Tunnels do not count: sshd limits sessions only.
    pub(super) sessions: Arc<Semaphore>,
    host_key: PublicKey,
    identity: HostIdentity,
    /// Whether no new work may begin on it.
    retired: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn takes_work(&self) -> bool {
        !self.handle.is_closed() && !self.retired.load(Ordering::Relaxed)
    }

    /// The switch by which a session that is abandoned retires its connection.
    pub(super) fn retirement(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.retired)
    }

    pub(super) fn host_key(&self) -> &PublicKey {
        &self.host_key
    }

    /// How it is known that this is the right server.
    pub(super) fn identity(&self) -> HostIdentity {
        self.identity
    }
}

/// What an attempt to connect came to when it failed.
enum Failed {
    /// A machine that boots does this; trying again may help.
    Yet(ConnectError),
    /// Trying again cannot help.
    ForGood(HostError),
}

/// Connects, and goes on trying while the server does not answer, until the time is over.
pub(super) async fn dial(link: &Link) -> Result<Connection, HostError> {
    // First, so that the time the bastion needs is not taken from the host.
    if let Some(bastion) = &link.bastion {
        bastion.connection().await?;
    }
    let begun = Instant::now();
    let deadline = begun + link.timeout;
    let mut retry = interval(RETRY_EVERY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        let attempt = async {
            retry.tick().await;
            attempt(link).await
        };
        match timeout_at(deadline, attempt).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(Failed::ForGood(error))) => return Err(error),
            Ok(Err(Failed::Yet(error))) => {
                if link.impatient && error.is_refusal() && begun.elapsed() >= REFUSALS_FOR {
                    return Err(unreachable(link, error));
                }
                tracing::debug!(host = link.target.name, error = &error as &dyn std::error::Error, "not reachable yet");
                last = Some(error);
            }
            Err(_) => {
                return Err(unreachable(link, last.unwrap_or(ConnectError::Timeout(link.timeout))));
            }
        }
    }
}

fn unreachable(link: &Link, source: ConnectError) -> HostError {
    HostError::Connect { host: link.target.name.clone(), endpoint: link.target.endpoint(), source }
}

async fn attempt(link: &Link) -> Result<Connection, Failed> {
    let target = &link.target;
    let stream = open_stream(link).await?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let peer = Peer::new(target.clone(), Arc::clone(&link.host_keys), Arc::clone(&seen));
    let mut handle = match client::connect_stream(client_config(link), stream, peer).await {
        Ok(handle) => handle,
        Err(HandshakeError::HostKey(source)) => {
            let (host, endpoint) = (target.name.clone(), target.endpoint());
            return Err(Failed::ForGood(HostError::HostKey { host, endpoint, source }));
        }
        Err(HandshakeError::Ssh(error)) => return Err(Failed::Yet(ConnectError::Ssh(Box::new(error)))),
    };
    let outcome = authenticate(&mut handle, &target.user, &link.credentials).await;
    let Seen { key, banner } = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    match (outcome, key) {
        (Ok(()), Some((host_key, identity))) => Ok(Connection {
            handle,
            sessions: Arc::new(Semaphore::new(SESSIONS_AT_ONCE)),
            host_key,
            identity,
            retired: Arc::default(),
        }),
        (Ok(()), None) => Err(Failed::Yet(ConnectError::Ssh(Box::new(russh::Error::UnknownKey)))),
        (Err(_), _) if says_starting(&banner) => Err(Failed::Yet(ConnectError::Starting(banner))),
        (Err(AuthError::Ssh(error)), _) => Err(Failed::Yet(ConnectError::Ssh(error))),
        (Err(AuthError::Rejected(tried)), _) => Err(Failed::ForGood(HostError::Auth {
            host: target.name.clone(),
            user: target.user.clone(),
            tried,
            banner,
        })),
    }
}

/// A byte stream to the server: TCP, or a channel of the bastion.
async fn open_stream(link: &Link) -> Result<Box<dyn Stream>, Failed> {
    let Target { address, port, .. } = &link.target;
    let Some(bastion) = &link.bastion else {
        let stream =
            TcpStream::connect((address.as_str(), *port)).await.map_err(|e| Failed::Yet(ConnectError::Tcp(e)))?;
        // Scripts are many small packets that wait for each other.
        stream.set_nodelay(true).map_err(|error| Failed::Yet(ConnectError::Tcp(error)))?;
        return Ok(Box::new(stream));
    };
    let connection = bastion.connection().await.map_err(Failed::ForGood)?;
    match connection.handle.channel_open_direct_tcpip(address, (*port).into(), "127.0.0.1", 0).await {
        Ok(channel) => Ok(Box::new(channel.into_stream())),
        Err(error @ russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)) => {
            let (host, address) = (bastion.target.name.clone(), address.clone());
            Err(Failed::ForGood(HostError::Tunnel { host, address, port: *port, source: Box::new(error) }))
        }
        Err(error) => Err(Failed::Yet(ConnectError::ThroughBastion(Box::new(error)))),
    }
}

fn client_config(link: &Link) -> Arc<client::Config> {
    let (keys, certificates) = link.host_keys.preference(&link.target);
    let certificates = if certificates { keys.clone() } else { Vec::new() };
    let (key, host_key_certificates) = (Cow::Owned(keys), Cow::Owned(certificates));
    Arc::new(client::Config {
        preferred: Preferred { key, host_key_certificates, ..Preferred::DEFAULT },
        keepalive_interval: Some(KEEPALIVE_EVERY),
        keepalive_max: KEEPALIVES_UNANSWERED,
        channel_buffer_size: MESSAGES_PER_CHANNEL,
        ..client::Config::default()
    })
}

/// pam_nologin refuses users other than root until the machine has booted.
fn says_starting(banner: &str) -> bool {
    banner.contains("booting up")
}
