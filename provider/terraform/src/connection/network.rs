//! The one seam between this crate and machines: SSH, or fakes in tests.

use std::sync::Arc;

use kubeone_hosts::{Acquaintance, Host, HostKeyCheck, LocalEnvironment, SettingsError, SshConnector};
use kubeone_spec::{HostIdentity, HostSpec, SshSettings};

/// What a host is connected to for, which decides how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It should be up, and is only looked at.
    Look,
    /// It may still boot, and without it nothing goes on.
    Work,
    /// It leaves the cluster, and may be gone.
    Farewell,
}

pub(crate) trait Network: Send + Sync {
    /// Reads what the settings name, such as keys. Errors name the setting that is wrong.
    fn open(&self, settings: &SshSettings) -> Result<Box<dyn Connector>, SettingsError>;

    /// How it would be known that these hosts are the right ones, in their order. Opens no connection.
    fn identities(&self, settings: &SshSettings, hosts: &[(&HostSpec, Acquaintance)]) -> Vec<HostIdentity>;
}

pub(crate) trait Connector: Send + Sync {
    /// The host called `name`. Nothing is sent before its first use.
    fn connect(
        &self,
        name: &str,
        host: &HostSpec,
        acquaintance: &Acquaintance,
        purpose: Purpose,
    ) -> Result<Arc<dyn Host>, SettingsError>;
}

/// Hosts over SSH.
pub(crate) struct Ssh(pub(crate) LocalEnvironment);

impl Network for Ssh {
    fn open(&self, settings: &SshSettings) -> Result<Box<dyn Connector>, SettingsError> {
        Ok(Box::new(SshConnector::new(settings, &self.0)?))
    }

    fn identities(&self, settings: &SshSettings, hosts: &[(&HostSpec, Acquaintance)]) -> Vec<HostIdentity> {
        match HostKeyCheck::new(settings, &self.0) {
            Ok(check) => hosts.iter().map(|(host, acquaintance)| check.identity(host, acquaintance)).collect(),
            // Whoever connects is told what is wrong.
            Err(_) => Vec::new(),
        }
    }
}

impl Connector for SshConnector {
    fn connect(
        &self,
        name: &str,
        host: &HostSpec,
        acquaintance: &Acquaintance,
        purpose: Purpose,
    ) -> Result<Arc<dyn Host>, SettingsError> {
        let connector = match purpose {
            Purpose::Look => self.clone().impatient(),
            Purpose::Work => self.clone(),
            Purpose::Farewell => self.for_leaving(),
        };
        Ok(Arc::new(connector.connect_to(name, host, acquaintance)?))
    }
}
