//! What is wanted: the settings, and what earlier settings said about machines that are wanted no more.

use std::collections::BTreeMap;

use kubeone_spec::{ClusterSpec, HostSpec, Role};

use crate::observed::{HostState, Observed};

/// The settings of a cluster, and what must be known of the settings before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub spec: ClusterSpec,
    /// Machines that earlier settings named, by the names of their nodes: dropped hosts, and hosts that another machine
    /// takes the place of.
    pub leaving: BTreeMap<String, LeavingHost>,
    /// The identity of the cluster as Terraform's state knows it; `None` for a cluster that is to be made.
    pub uid: Option<String>,
}

/// A machine that leaves the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingHost {
    pub role: Role,
    pub host: HostSpec,
    /// Another machine has its address now, so it can be reached no more.
    pub address_taken: bool,
}

impl Wanted {
    /// Settings that nothing came before.
    pub fn new(spec: ClusterSpec) -> Self {
        Self { spec, leaving: BTreeMap::new(), uid: None }
    }

    /// Settings that take the place of earlier ones.
    pub fn after(prior: &ClusterSpec, uid: Option<String>, spec: ClusterSpec) -> Self {
        let stays = |name: &str, prior: &HostSpec| spec.host(name).is_some_and(|host| !host.is_new_machine(prior));
        let taken = |address: &str| spec.hosts().any(|(_, _, host)| host.address == address);
        let leaving = prior.hosts().filter(|(name, _, host)| !stays(name, host)).map(|(name, role, host)| {
            let address_taken = taken(&host.address);
            (name.to_owned(), LeavingHost { role, host: host.clone(), address_taken })
        });
        Self { leaving: leaving.collect(), uid: uid.filter(|uid| !uid.is_empty()), spec }
    }
}

impl Observed {
    /// What was seen under earlier settings, seen with these: what is known of a machine says nothing about the one that
    /// takes its place.
    #[must_use]
    pub fn for_change(mut self, wanted: &Wanted) -> Self {
        for (name, leaving) in &wanted.leaving {
            if let Some(state) = self.hosts.remove(name) {
                let state = if leaving.address_taken { address_taken() } else { state };
                self.leaving.insert(name.clone(), state);
            }
        }
        self
    }
}

/// How a machine is seen whose address belongs to another one.
pub(crate) fn address_taken() -> HostState {
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
