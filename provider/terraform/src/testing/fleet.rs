//! Machines that a provider reaches by their addresses, and that provider behind the protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kubeone_facts::EtcdMember;
use kubeone_hosts::{Acquaintance, CredentialProblem, Host, SettingsError};
use kubeone_spec::{FieldPath, HostIdentity, HostSpec, SshSettings};
use serde_json::{Value as Json, json};
use tfplugin::Diagnostic;
use tfplugin::simulator::{Core, Failure, Profile};

use super::api::FakeCluster;
use super::machine::{Machine, machine_id};
use crate::connection::{Connector, Network, Purpose};
use crate::provider::{KubeoneProvider, Surroundings};

/// The uid of the cluster that [`Fleet::running`] is.
pub(crate) const UID: &str = "uid";

/// Machines by address, and what they were connected to for.
#[derive(Clone, Default)]
pub(crate) struct Fleet {
    machines: BTreeMap<String, Arc<Machine>>,
    connections: Arc<Mutex<Vec<(String, Purpose)>>>,
    /// What was known of each when it was connected to, and whether it was to leave.
    acquaintances: Arc<Mutex<BTreeMap<(String, bool), Acquaintance>>>,
}

impl Fleet {
    /// Two machines on which nothing is.
    pub(crate) fn bare() -> Self {
        Self::default().with("10.0.0.11", Machine::bare("cp-1")).with("10.0.0.21", Machine::bare("w-1"))
    }

    /// A cluster of one control plane and one worker that is as wanted.
    pub(crate) fn running(cluster: &FakeCluster) -> Self {
        cluster.add_node("cp-1", &machine_id("cp-1"), true);
        cluster.add_node("w-1", &machine_id("w-1"), false);
        let control_plane = Machine::node("cp-1", UID, cluster, true);
        let peer_urls = vec!["https://10.0.0.11:2380".to_owned()];
        let member = EtcdMember { id: "1".to_owned(), name: "cp-1".to_owned(), peer_urls, learner: false };
        control_plane.change(|facts| facts.etcd_members = vec![member]);
        Self::default().with("10.0.0.11", control_plane).with("10.0.0.21", Machine::node("w-1", UID, cluster, false))
    }

    /// With a machine at this address.
    #[must_use]
    pub(crate) fn with(mut self, address: &str, machine: Machine) -> Self {
        self.machines.insert(address.to_owned(), Arc::new(machine));
        self
    }

    pub(crate) fn control_plane(&self) -> &Machine {
        &self.machines["10.0.0.11"]
    }

    pub(crate) fn worker(&self) -> &Machine {
        &self.machines["10.0.0.21"]
    }

    /// What was done on all machines that could have changed something, each after the name of the machine.
    pub(crate) fn touched(&self) -> Vec<String> {
        let of = |machine: &Arc<Machine>| {
            machine.touched().into_iter().map(|call| format!("{}: {call}", machine.name())).collect::<Vec<_>>()
        };
        self.machines.values().flat_map(of).collect()
    }

    /// What machines were connected to for, since this was asked last.
    pub(crate) fn connections(&self) -> Vec<(String, Purpose)> {
        std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was known of a machine that stays or comes when it was connected to first.
    pub(crate) fn acquaintance(&self, name: &str) -> Acquaintance {
        self.acquainted(name, false)
    }

    /// The same of one that leaves.
    pub(crate) fn farewell(&self, name: &str) -> Acquaintance {
        self.acquainted(name, true)
    }

    fn acquainted(&self, name: &str, leaves: bool) -> Acquaintance {
        let acquaintances = self.acquaintances.lock().unwrap_or_else(PoisonError::into_inner);
        acquaintances.get(&(name.to_owned(), leaves)).cloned().unwrap_or_default()
    }

    /// Forgets what was known until now.
    pub(crate) fn forget(&self) {
        self.acquaintances.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The provider with these machines behind it, configured.
    pub(crate) async fn core(&self) -> Core {
        self.core_with(json!({ "user": "root" })).await
    }

    /// The same with these settings for SSH.
    pub(crate) async fn core_with(&self, ssh: Json) -> Core {
        let core = self.unconfigured().await;
        core.configure(json!({ "ssh": ssh })).await.unwrap();
        core
    }

    pub(crate) async fn unconfigured(&self) -> Core {
        let surroundings = Surroundings { user: Some("ann".to_owned()), ..Surroundings::default() };
        let provider = KubeoneProvider::on(Arc::new(self.clone()), surroundings);
        Core::serve(provider, Profile::TERRAFORM_1_11).await.unwrap()
    }
}

impl Network for Fleet {
    fn open(&self, _: &SshSettings) -> Result<Box<dyn Connector>, SettingsError> {
        Ok(Box::new(self.clone()))
    }

    /// No file of known hosts knows any of them.
    fn identities(&self, _: &SshSettings, hosts: &[(&HostSpec, Acquaintance)]) -> Vec<HostIdentity> {
        let identity =
            |(host, acquaintance): &(&HostSpec, Acquaintance)| match (&host.ssh_host_key, &acquaintance.pinned) {
                (None, None) => HostIdentity::FirstContact,
                _ => HostIdentity::Pinned,
            };
        hosts.iter().map(identity).collect()
    }
}

impl Connector for Fleet {
    fn connect(
        &self,
        name: &str,
        host: &HostSpec,
        acquaintance: &Acquaintance,
        purpose: Purpose,
    ) -> Result<Arc<dyn Host>, SettingsError> {
        let mut acquaintances = self.acquaintances.lock().unwrap_or_else(PoisonError::into_inner);
        acquaintances.entry((name.to_owned(), purpose == Purpose::Farewell)).or_insert_with(|| acquaintance.clone());
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), purpose));
        let nowhere = || SettingsError { path: FieldPath::root("address"), source: CredentialProblem::Nothing };
        let machine = self.machines.get(&host.address).ok_or_else(nowhere)?;
        Ok(Arc::clone(machine) as Arc<dyn Host>)
    }
}

/// The settings of the cluster that [`Fleet::running`] is. It brings its own CNI, so there are no addons.
pub(crate) fn settings() -> Json {
    json!({
        "name": "prod",
        "kubernetes_version": "1.35.4",
        "api_endpoint": { "host": "10.0.0.1" },
        "control_plane": { "cp-1": { "address": "10.0.0.11", "instance_id": "1" } },
        "static_workers": { "w-1": { "address": "10.0.0.21", "instance_id": "2" } },
        "cluster_network": { "cni": "none" },
        "timeouts": { "lock": "1s" },
    })
}

/// What a failure reports.
pub(crate) fn reported(failure: Failure) -> Vec<Diagnostic> {
    match failure {
        Failure::Reported { diagnostics } => diagnostics.into_iter().collect(),
        other => unreachable!("expected diagnostics, got {other:?}"),
    }
}

/// The errors alone, as `summary: detail`.
pub(crate) fn errors(failure: Failure) -> Vec<String> {
    let errors = reported(failure).into_iter().filter(Diagnostic::is_error);
    errors.map(|error| format!("{}: {}", error.summary, error.detail)).collect()
}
