//! Hosts over SSH: one connection each, made when it is first needed and made anew when it was lost.

mod authenticate;
mod connection;
mod credentials;
mod exec;
mod host;
mod host_certificate;
mod host_key;
mod host_key_problem;
mod known_hosts;
mod link;
mod peer;
mod public_key;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use connection::ConnectError;
use credentials::Credentials;
pub use credentials::{CredentialProblem, SettingsError};
pub use host::SshHost;
pub use host_key::HostKeyCheck;
use host_key::{Pin, PinSource};
pub use host_key_problem::HostKeyProblem;
use kubeone_spec::{Bastion, FieldPath, HostSpec, SshSettings};
use link::{Link, Target};
pub use public_key::normalized_host_key;

/// What SSH needs to know about the machine this program runs on. The environment is read by the caller.
#[derive(Clone, Debug, Default)]
pub struct LocalEnvironment {
    /// Folder that a leading `~` stands for.
    pub home: Option<PathBuf>,
    /// `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
    /// Files of known hosts that hold for all users, such as `/etc/ssh/ssh_known_hosts`.
    pub system_known_hosts: Vec<PathBuf>,
}

/// What is known of the machine behind a host from earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acquaintance {
    /// The host key that it showed, from then on a pin. One that the settings state comes first.
    pub pinned: Option<String>,
    /// Host keys of machines that had its address before. What known hosts say of those is not about this one.
    pub replaced: Vec<String>,
    /// A first contact is not enough, whatever the policy.
    pub must_be_known: bool,
}

/// How long a machine that leaves is given to answer. It may be gone already, and whoever replaces it waits meanwhile; one
/// that is taken for gone and lives is found by its heartbeats in the cluster.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a machine that should be up is given to answer, whatever those that boot are given: whoever looks at a cluster
/// does not wait for one of its machines.
const LOOK: Duration = Duration::from_secs(30);

/// Makes hosts from their settings. Keys are read and decrypted once, here.
#[derive(Clone)]
pub struct SshConnector {
    user: String,
    port: u16,
    credentials: Arc<Credentials>,
    host_keys: Arc<HostKeyCheck>,
    timeout: Duration,
    impatient: bool,
    bastion: Option<Arc<Link>>,
}

impl SshConnector {
    /// Reads the keys. Errors name the setting that is wrong.
    pub fn new(settings: &SshSettings, environment: &LocalEnvironment) -> Result<Self, SettingsError> {
        let credentials = Arc::new(Credentials::of_hosts(settings, environment)?);
        let host_keys = Arc::new(HostKeyCheck::new(settings, environment)?);
        let timeout = Duration::from_secs(settings.connect_timeout_seconds.into());
        let bastion = match &settings.bastion {
            Some(bastion) => {
                let target = bastion_target(settings, bastion)?;
                let credentials = match Credentials::of_bastion(settings, bastion, environment)? {
                    Some(own) => Arc::new(own),
                    None => Arc::clone(&credentials),
                };
                Some(Arc::new(Link::new(target, credentials, Arc::clone(&host_keys), timeout, false, None)))
            }
            None => None,
        };
        Ok(Self {
            user: settings.user.clone(),
            port: settings.port,
            credentials,
            host_keys,
            timeout,
            impatient: false,
            bastion,
        })
    }

    /// For looking at machines that should be up: one that refuses connections is not waited for, and one that is silent
    /// not for long.
    #[must_use]
    pub fn impatient(self) -> Self {
        Self { impatient: true, timeout: self.timeout.min(LOOK), ..self }
    }

    /// For machines that are wanted no more, and may not be there any more.
    #[must_use]
    pub fn for_leaving(&self) -> Self {
        Self { impatient: true, timeout: self.timeout.min(FAREWELL), ..self.clone() }
    }

    /// The host called `name`, of which nothing is known. Nothing is sent before the first use.
    pub fn connect(&self, name: &str, spec: &HostSpec) -> Result<SshHost, SettingsError> {
        self.connect_to(name, spec, &Acquaintance::default())
    }

    /// The same of a host that was met before.
    pub fn connect_to(
        &self,
        name: &str,
        spec: &HostSpec,
        acquaintance: &Acquaintance,
    ) -> Result<SshHost, SettingsError> {
        let target = Target {
            name: name.to_owned(),
            address: spec.address.clone(),
            port: spec.ssh_port.unwrap_or(self.port),
            user: spec.ssh_user.clone().unwrap_or_else(|| self.user.clone()),
            pin: host_key::pin(spec, acquaintance)?,
            replaced: host_key::keys(&acquaintance.replaced),
            must_be_known: acquaintance.must_be_known,
        };
        let link = Link::new(
            target,
            Arc::clone(&self.credentials),
            Arc::clone(&self.host_keys),
            self.timeout,
            self.impatient,
            self.bastion.clone(),
        );
        Ok(SshHost::new(link))
    }
}

fn bastion_target(settings: &SshSettings, bastion: &Bastion) -> Result<Target, SettingsError> {
    let pin = match &bastion.ssh_host_key {
        Some(text) => {
            let key = public_key::parse(text).map_err(|source| SettingsError {
                path: FieldPath::root("ssh").field("bastion").field("ssh_host_key"),
                source: CredentialProblem::HostKey(source),
            })?;
            Some(Pin { key, source: PinSource::Setting })
        }
        None => None,
    };
    Ok(Target {
        name: "bastion".to_owned(),
        address: bastion.host.clone(),
        port: bastion.port.unwrap_or(22),
        user: bastion.user.clone().unwrap_or_else(|| settings.user.clone()),
        pin,
        // No state knows it.
        replaced: Vec::new(),
        must_be_known: false,
    })
}
