//! The wanted state: the settings, and what earlier settings say about machines that leave.

use std::collections::{BTreeMap, BTreeSet};

use kubeone_facts::{HostState, Observed};
use kubeone_spec::{ClusterSpec, HostIdentity, HostSpec, Role, UnpinnedControlPlane};

/// The settings of a cluster, with what is known from earlier settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub spec: ClusterSpec,
    /// Machines of earlier settings, by the names of their nodes: removed hosts, and hosts that another machine
    /// replaces.
    pub leaving: BTreeMap<String, LeavingHost>,
    /// The identity of the cluster in Terraform's state; `None` for a new cluster.
    pub uid: Option<String>,
    /// The CA of the cluster in Terraform's state, in PEM format; `None` for a new cluster. It identifies control
    /// planes without a marker, for example after an import.
    pub ca_certificate: Option<String>,
    /// The cluster was imported, and nothing was applied since. Its hosts are the machines behind its Nodes, whatever
    /// their addresses are in the settings.
    pub imported: bool,
    /// Hosts that earlier settings did not contain, or had on another machine.
    pub new_hosts: BTreeSet<String>,
    /// SSH host keys in the state of machines that stay, by the names of their hosts.
    pub host_keys: BTreeMap<String, String>,
    /// How the identity of each control plane would be verified, determined before any connection.
    pub identities: BTreeMap<String, HostIdentity>,
    /// Whether a control plane with an unverified identity may receive the keys of the cluster.
    pub unpinned_control_plane: UnpinnedControlPlane,
}

/// A machine that leaves the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingHost {
    pub role: Role,
    pub host: HostSpec,
    /// Another machine has its address now, so it is unreachable.
    pub address_taken: bool,
    /// Its SSH host key, if the state has it.
    pub host_key: Option<String>,
}

impl Wanted {
    /// Settings without earlier ones.
    pub fn new(spec: ClusterSpec) -> Self {
        Self {
            spec,
            leaving: BTreeMap::new(),
            uid: None,
            ca_certificate: None,
            imported: false,
            new_hosts: BTreeSet::new(),
            host_keys: BTreeMap::new(),
            identities: BTreeMap::new(),
            unpinned_control_plane: UnpinnedControlPlane::default(),
        }
    }

    /// Settings that replace earlier ones.
    pub fn after(prior: &ClusterSpec, uid: Option<String>, spec: ClusterSpec) -> Self {
        let stays = |name: &str, prior: &HostSpec| spec.host(name).is_some_and(|host| !host.is_new_machine(prior));
        let taken = |address: &str| spec.hosts().any(|(_, _, host)| host.address == address);
        let leaving = prior.hosts().filter(|(name, _, host)| !stays(name, host)).map(|(name, role, host)| {
            let address_taken = taken(&host.address);
            (name.to_owned(), LeavingHost { role, host: host.clone(), address_taken, host_key: None })
        });
        let is_new = |name: &str, host: &HostSpec| prior.host(name).is_none_or(|prior| host.is_new_machine(prior));
        let new_hosts = spec.hosts().filter(|(name, _, host)| is_new(name, host)).map(|(name, ..)| name.to_owned());
        let (leaving, new_hosts) = (leaving.collect(), new_hosts.collect());
        Self { leaving, new_hosts, uid: uid.filter(|uid| !uid.is_empty()), ..Self::new(spec) }
    }

    /// The same, with the CA of the cluster.
    #[must_use]
    pub fn with_ca(self, certificate: String) -> Self {
        Self { ca_certificate: Some(certificate), ..self }
    }

    /// With the SSH host keys in the state. A key belongs to a machine: another one under the same name has another
    /// key.
    #[must_use]
    pub fn with_host_keys(mut self, mut kept: BTreeMap<String, String>) -> Self {
        for (name, leaving) in &mut self.leaving {
            leaving.host_key = kept.remove(name);
        }
        kept.retain(|name, _| self.spec.host(name).is_some());
        self.host_keys = kept;
        self
    }

    /// SSH host keys of departing machines that had this address.
    pub fn host_keys_before(&self, address: &str) -> Vec<String> {
        let there = self.leaving.values().filter(|leaving| leaving.host.address.eq_ignore_ascii_case(address));
        there.flat_map(|leaving| leaving.host_key.iter().chain(&leaving.host.ssh_host_key).cloned()).collect()
    }

    /// The first settings after an import.
    pub fn after_import(prior: &ClusterSpec, uid: Option<String>, spec: ClusterSpec) -> Self {
        Self { imported: true, ..Self::after(&imported_prior(prior, &spec), uid, spec) }
    }
}

impl Wanted {
    /// Applies these settings to an observation made with earlier ones: what is known of a machine says nothing about
    /// its replacement. An unreachable host of an imported cluster may have a better address now.
    #[must_use]
    pub fn view(&self, mut observed: Observed) -> Observed {
        if self.imported {
            observed.hosts.retain(|_, state| matches!(state, HostState::Reached(_)));
        }
        for (name, leaving) in &self.leaving {
            if let Some(state) = observed.hosts.remove(name) {
                let state = if leaving.address_taken { address_taken() } else { state };
                observed.leaving.insert(name.clone(), state);
            }
        }
        observed
    }
}

/// The settings before the first ones after an import. An import knows only addresses and the cluster's own name, so
/// different addresses in the settings mean the same machines. Workers that the settings do not contain are left alone.
pub fn imported_prior(prior: &ClusterSpec, spec: &ClusterSpec) -> ClusterSpec {
    let mut prior = ClusterSpec { name: spec.name.clone(), ..prior.clone() };
    prior.static_workers.retain(|name, _| spec.static_workers.contains_key(name));
    for (name, host) in prior.control_plane.iter_mut().chain(&mut prior.static_workers) {
        if let Some(wanted) = spec.host(name) {
            host.address.clone_from(&wanted.address);
            host.private_address.clone_from(&wanted.private_address);
            host.instance_id.clone_from(&wanted.instance_id);
        }
    }
    prior
}

/// The observed state of a machine whose address belongs to another one.
pub fn address_taken() -> HostState {
    HostState::Unreachable { reason: "another machine has its address now".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(workers: &serde_json::Value) -> ClusterSpec {
        serde_json::from_value(json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" },
            "control_plane": { "cp-1": { "address": "10.0.0.1" } }, "static_workers": workers,
        }))
        .unwrap()
    }

    #[test]
    fn after_an_import_addresses_may_be_others() {
        let prior = spec(&json!({ "stays": { "address": "10.0.0.3" }, "unnamed": { "address": "10.0.0.4" } }));
        let mut settings = spec(&json!({ "stays": { "address": "192.0.2.3", "instance_id": "a" } }));
        settings.control_plane.values_mut().for_each(|host| "192.0.2.1".clone_into(&mut host.address));
        assert_eq!(Wanted::after_import(&prior, None, settings.clone()).leaving, BTreeMap::new());
        settings.control_plane.clear();
        assert_eq!(Wanted::after_import(&prior, None, settings).leaving.keys().collect::<Vec<_>>(), ["cp-1"]);
    }

    #[test]
    fn a_host_key_belongs_to_its_machine() {
        let machine = |id: &str| json!({ "address": "10.0.0.5", "instance_id": id });
        let other = json!({ "address": "10.0.0.6", "instance_id": "b", "ssh_host_key": "stated" });
        let prior = spec(&json!({ "w-1": machine("a"), "w-2": other }));
        let kept = || BTreeMap::from([("w-1".to_owned(), "k1".to_owned()), ("w-2".to_owned(), "k2".to_owned())]);
        let same = Wanted::after(&prior, None, prior.clone()).with_host_keys(kept());
        assert_eq!((same.host_keys, same.new_hosts), (kept(), BTreeSet::new()));
        let wanted = spec(&json!({ "w-1": machine("b"), "w-3": { "address": "10.0.0.6" } }));
        let wanted = Wanted::after(&prior, None, wanted).with_host_keys(kept());
        assert_eq!(wanted.host_keys, BTreeMap::new());
        assert_eq!(wanted.leaving["w-1"].host_key.as_deref(), Some("k1"));
        assert_eq!(wanted.host_keys_before("10.0.0.5"), ["k1"]);
        assert_eq!(wanted.host_keys_before("10.0.0.6"), ["k2", "stated"]);
        assert_eq!(wanted.new_hosts, ["w-1", "w-3"].map(str::to_owned).into());
    }

    #[test]
    fn dropped_and_replaced_machines_leave() {
        let prior = spec(&json!({
            "dropped": { "address": "10.0.0.2" }, "stays": { "address": "10.0.0.3", "instance_id": "a" },
            "new-address": { "address": "10.0.0.4" }, "same-address": { "address": "10.0.0.5", "instance_id": "a" },
        }));
        let wanted = spec(&json!({
            "stays": { "address": "10.0.0.9", "instance_id": "a" }, "new-address": { "address": "10.0.0.6" },
            "same-address": { "address": "10.0.0.5", "instance_id": "b" },
        }));
        let wanted = Wanted::after(&prior, None, wanted);
        let leaving: Vec<_> = wanted.leaving.iter().map(|(name, it)| (name.as_str(), it.address_taken)).collect();
        assert_eq!(leaving, [("dropped", false), ("new-address", false), ("same-address", true)]);
    }
}
