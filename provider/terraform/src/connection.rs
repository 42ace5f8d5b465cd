//! How hosts are reached: the settings of the provider block, shared between the provider and its resources.

mod network;

use std::sync::{Arc, PoisonError, RwLock};

use kubeone_engine::Hosts;
use kubeone_hosts::{Acquaintance, Host, SettingsError};
use kubeone_plan::Wanted;
use kubeone_spec::{ClusterReference, FieldPath, HostSpec, Role, SshSettings, UnpinnedControlPlane};
pub(crate) use network::{Connector, Network, Purpose, Ssh};
use tfplugin::Diagnostic;

use crate::diagnostics::chain;
use crate::path::to_attribute_path;

/// Empty until the provider is configured with values that are all known.
#[derive(Clone)]
pub(crate) struct Connection {
    network: Arc<dyn Network>,
    settings: Arc<RwLock<Option<Arc<SshSettings>>>>,
}

impl Connection {
    pub(crate) fn new(network: Arc<dyn Network>) -> Self {
        Self { network, settings: Arc::default() }
    }

    /// `None` when a part of the settings is known only at apply.
    pub(crate) fn configure(&self, settings: Option<SshSettings>) {
        // A panic cannot leave half a value behind, so a poisoned lock is as good as any.
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings.map(Arc::new);
    }

    /// Says how it would be known that the control planes are the right machines, and what follows where it is not. Workers
    /// receive no keys of the cluster, so they are left out. Opens no connection.
    pub(crate) fn acquaint(&self, mut wanted: Wanted) -> Wanted {
        let Some(settings) = self.settings() else { return wanted };
        let control_plane = &wanted.spec.control_plane;
        let hosts: Vec<_> =
            control_plane.iter().map(|(name, host)| (host, acquaintance(&wanted, name, host))).collect();
        let identities = self.network.identities(&settings, &hosts);
        wanted.identities = control_plane.keys().cloned().zip(identities).collect();
        wanted.unpinned_control_plane = settings.unpinned_control_plane;
        wanted
    }

    /// The hosts of a cluster, none of them contacted yet. `None` while it is not known how to reach them.
    /// They are only looked at: one that refuses is not waited for.
    pub(crate) fn hosts(&self, wanted: &Wanted) -> Result<Option<Hosts>, Diagnostic> {
        self.connector()?.map(|connector| hosts(connector.as_ref(), Purpose::Look, wanted)).transpose()
    }

    /// The hosts of a cluster that is to be worked on. They may be booting, and without them nothing goes on.
    pub(crate) fn require_hosts(&self, wanted: &Wanted) -> Result<Hosts, Diagnostic> {
        let connector = self.connector()?.ok_or_else(|| {
            Diagnostic::error(
                format!("the hosts of cluster `{}` cannot be reached", wanted.spec.name),
                "Values in the block `provider \"kubeone\"` are not known.",
            )
        })?;
        hosts(connector.as_ref(), Purpose::Work, wanted)
    }

    /// The hosts of a cluster that exists, of all roles or of one.
    pub(crate) fn hosts_of(&self, cluster: &ClusterReference, only: Option<Role>) -> Result<Option<Hosts>, Diagnostic> {
        let Some(connector) = self.connector()? else { return Ok(None) };
        let refuses_unpinned =
            self.settings().is_some_and(|it| it.unpinned_control_plane == UnpinnedControlPlane::Refuse);
        let hosts = cluster.hosts().filter(|(_, role, _)| only.is_none_or(|only| only == *role));
        let connect = |(name, role, host): (&str, Role, &HostSpec)| {
            let map = FieldPath::root("cluster").field(role.map());
            let pinned = cluster.ssh_host_keys.get(name).cloned();
            let must_be_known = role == Role::ControlPlane && refuses_unpinned;
            let acquaintance = Acquaintance { pinned, must_be_known, ..Acquaintance::default() };
            connect(connector.as_ref(), Purpose::Look, map, name, host, &acquaintance)
        };
        let wanted = hosts.map(connect).collect::<Result<_, _>>()?;
        Ok(Some(Hosts { wanted, ..Hosts::default() }))
    }

    /// One host whose cluster is not known yet.
    pub(crate) fn host(&self, name: &str, host: &HostSpec) -> Result<Option<Arc<dyn Host>>, Diagnostic> {
        let Some(connector) = self.connector()? else { return Ok(None) };
        let host = connector.connect(name, host, &Acquaintance::default(), Purpose::Work);
        let host = host.map_err(|error| Diagnostic::error(format!("`{name}` cannot be used"), chain(&error.source)))?;
        Ok(Some(host))
    }

    fn connector(&self) -> Result<Option<Box<dyn Connector>>, Diagnostic> {
        let connector = self.settings().map(|settings| self.network.open(&settings)).transpose();
        connector.map_err(|error| provider_error(&error))
    }

    fn settings(&self) -> Option<Arc<SshSettings>> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn hosts(connector: &dyn Connector, purpose: Purpose, wanted: &Wanted) -> Result<Hosts, Diagnostic> {
    let connect_for = |purpose, name: &str, role: Role, host, acquaintance: &Acquaintance| {
        connect(connector, purpose, FieldPath::root(role.map()), name, host, acquaintance)
    };
    let stay = wanted.spec.hosts().map(|(name, role, host)| {
        let is_new = wanted.new_hosts.contains(name) && role == Role::ControlPlane;
        let must_be_known = is_new && wanted.unpinned_control_plane == UnpinnedControlPlane::Refuse;
        let acquaintance = Acquaintance { must_be_known, ..acquaintance(wanted, name, host) };
        connect_for(purpose, name, role, host, &acquaintance)
    });
    let leaving = wanted.leaving.iter().filter(|(_, leaving)| !leaving.address_taken);
    let leaving = leaving.map(|(name, leaving)| {
        let acquaintance = Acquaintance { pinned: leaving.host_key.clone(), ..Acquaintance::default() };
        connect_for(Purpose::Farewell, name, leaving.role, &leaving.host, &acquaintance)
    });
    Ok(Hosts { wanted: stay.collect::<Result<_, _>>()?, leaving: leaving.collect::<Result<_, _>>()? })
}

/// What the state says of the machine behind a host.
fn acquaintance(wanted: &Wanted, name: &str, host: &HostSpec) -> Acquaintance {
    let pinned = wanted.host_keys.get(name).cloned();
    Acquaintance { pinned, replaced: wanted.host_keys_before(&host.address), must_be_known: false }
}

/// The path is one of the provider block, and cannot be shown as one of the resource.
fn provider_error(error: &SettingsError) -> Diagnostic {
    Diagnostic::error("the SSH settings of the provider cannot be used", chain(error))
}

/// A host of the map at this path.
fn connect(
    connector: &dyn Connector,
    purpose: Purpose,
    map: FieldPath,
    name: &str,
    host: &HostSpec,
    acquaintance: &Acquaintance,
) -> Result<(String, Arc<dyn Host>), Diagnostic> {
    let host = connector.connect(name, host, acquaintance, purpose).map_err(|error| {
        let mut path = map.key(name);
        path.0.extend(error.path.0.iter().cloned());
        Diagnostic::error(format!("`{path}` cannot be used"), chain(&error.source)).at(to_attribute_path(&path))
    })?;
    Ok((name.to_owned(), host))
}
