//! The way to one SSH server and the connection over it, made when it is first needed.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use kubeone_spec::HostIdentity;
use russh::keys::PublicKey;
use tokio::sync::Mutex;

use super::connection::{Connection, dial};
use super::credentials::Credentials;
use super::host_key::{HostKeyCheck, Pin};
use super::known_hosts::Names;
use super::public_key::known_hosts_form;
use crate::HostError;

/// An SSH server.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The key it must have, whatever the policy.
    pub(super) pin: Option<Pin>,
    /// Keys of machines that had this address before.
    pub(super) replaced: Vec<PublicKey>,
    /// A first contact is not enough.
    pub(super) must_be_known: bool,
}

impl Target {
    /// As messages name it.
    pub(super) fn endpoint(&self) -> String {
        if self.address.contains(':') {
            format!("{}@[{}]:{}", self.user, self.address, self.port)
        } else {
            format!("{}@{}:{}", self.user, self.address, self.port)
        }
    }

    /// As known hosts name it.
    pub(super) fn names(&self) -> Names {
        Names::of(&self.address, self.port)
    }
}

/// A server, how to log in there, and the connection while there is one.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) credentials: Arc<Credentials>,
    pub(super) host_keys: Arc<HostKeyCheck>,
    pub(super) timeout: Duration,
    /// Whether nobody expects the server to be booting; then a refusal is soon believed.
    pub(super) impatient: bool,
    pub(super) bastion: Option<Arc<Link>>,
    /// Locked while connecting, so that all who need this server wait for one connection. Each server has its own lock.
    connection: Mutex<Option<Arc<Connection>>>,
    /// The key that the first connection showed, and how it was known there: later ones know it from that.
    seen: StdMutex<Option<(PublicKey, HostIdentity)>>,
}

impl Link {
    pub(super) fn new(
        target: Target,
        credentials: Arc<Credentials>,
        host_keys: Arc<HostKeyCheck>,
        timeout: Duration,
        impatient: bool,
        bastion: Option<Arc<Link>>,
    ) -> Self {
        let (connection, seen) = (Mutex::new(None), StdMutex::new(None));
        Self { target, credentials, host_keys, timeout, impatient, bastion, connection, seen }
    }

    /// The connection, after connecting if there is none or it was lost.
    pub(super) fn connection(&self) -> BoxFuture<'_, Result<Arc<Connection>, HostError>> {
        Box::pin(async {
            let mut slot = self.connection.lock().await;
            if let Some(open) = slot.as_ref().filter(|connection| connection.takes_work()) {
                return Ok(Arc::clone(open));
            }
            *slot = None;
            let connection = Arc::new(dial(self).await?);
            self.seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| (connection.host_key().clone(), connection.identity()));
            *slot = Some(Arc::clone(&connection));
            Ok(connection)
        })
    }

    pub(super) fn host_key(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(key, _)| known_hosts_form(key))
    }

    pub(super) fn identity(&self) -> Option<HostIdentity> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, identity)| *identity)
    }
}
