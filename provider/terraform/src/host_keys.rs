//! The SSH host keys that the state keeps, each from the first time its machine was met: from then on they are pins.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use kubeone_facts::{HostFacts, Observed};
use kubeone_hosts::normalized_host_key;
use kubeone_plan::Wanted;
use kubeone_spec::{ClusterSpec, ClusterStatus, FieldPath, Role};
use tfplugin::Value;
use tfplugin::plan::mark_unknown;

use crate::decode::Decoded;
use crate::private;

const ATTRIBUTE: &str = "ssh_host_keys";

/// The keys of the machines that a state names. A state from before there was such an attribute tells them elsewhere.
pub(crate) fn kept(spec: &ClusterSpec, status: &ClusterStatus, private: &[u8]) -> BTreeMap<String, String> {
    let observed = LazyCell::new(|| private::decode(private));
    let key = |name: &str| {
        let kept = status.ssh_host_keys.get(name);
        let of_node = || status.nodes.get(name).map(|node| &node.ssh_host_key);
        let seen = || observed.as_ref()?.facts(name).filter(|facts| is_ours(spec, facts)).map(|it| &it.ssh_host_key);
        let found = |key: &&String| !key.is_empty();
        kept.filter(found).or_else(|| of_node().filter(found)).or_else(|| seen().filter(found)).cloned()
    };
    spec.hosts().filter_map(|(name, ..)| Some((name.to_owned(), key(name)?))).collect()
}

/// The keys after a look at the cluster. What answers at an address and is no machine of the cluster has none to keep.
pub(crate) fn after(
    spec: &ClusterSpec,
    observed: &Observed,
    prior: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let key = |name: &str| {
        let is_its_node = |facts: &HostFacts| {
            let node = observed.api_facts().and_then(|api| api.nodes.get(name));
            node.is_some_and(|node| !node.machine_id.is_empty() && node.machine_id == facts.machine_id)
        };
        let facts = observed.facts(name).filter(|facts| is_ours(spec, facts) || is_its_node(facts));
        let seen = facts.map(|facts| &facts.ssh_host_key).filter(|key| !key.is_empty());
        seen.or_else(|| prior.get(name)).cloned()
    };
    spec.hosts().filter_map(|(name, ..)| Some((name.to_owned(), key(name)?))).collect()
}

fn is_ours(spec: &ClusterSpec, facts: &HostFacts) -> bool {
    facts.marker.as_ref().is_some_and(|marker| marker.cluster == spec.name)
}

/// Plans the attribute of a cluster that exists. A key belongs to its machine, so that of one that leaves goes. The key of
/// one that comes is told where it is known by now; else the next refresh adds it: were it left open, all that is configured
/// from this attribute, such as a kubeconfig, would be open during a plan that adds a machine.
pub(crate) fn plan(planned: &mut Value, wanted: &Decoded<ClusterSpec>, prior: &ClusterSpec, change: &Wanted) {
    if [Role::ControlPlane, Role::Worker].into_iter().any(|role| wanted.is_unknown(&FieldPath::root(role.map()))) {
        // What stands in the maps is open during the plan anyway.
        return mark_unknown(planned, [ATTRIBUTE]);
    }
    let before = planned.attribute(ATTRIBUTE).as_map().cloned().unwrap_or_default();
    let mut after = before.clone();
    after.retain(|name, _| change.spec.host(name).is_some() && !change.leaving.contains_key(name));
    for (name, _, host) in change.spec.hosts() {
        let stated = host.ssh_host_key.as_deref().and_then(normalized_host_key);
        let is_news = change.new_hosts.contains(name)
            || prior.host(name).is_some_and(|prior| prior.ssh_host_key != host.ssh_host_key);
        if let Some(stated) = stated.filter(|_| is_news) {
            after.insert(name.to_owned(), stated.into());
        }
    }
    if after != before {
        planned.set(&ATTRIBUTE.into(), Value::Map(after));
    }
}

/// What is known of the nodes and keys before, without the machines that leave: others may have their names.
pub(crate) fn without_leaving(mut status: ClusterStatus, wanted: &Wanted) -> ClusterStatus {
    status.ssh_host_keys.retain(|name, _| !wanted.leaving.contains_key(name));
    status.nodes.retain(|name, _| !wanted.leaving.contains_key(name));
    status
}

/// Gives a machine that began to join its key in the state, in the place of the one before it.
pub(crate) fn replace(state: &mut Value, host: &str, key: Option<&str>) {
    let mut keys = state.attribute(ATTRIBUTE).as_map().cloned().unwrap_or_default();
    match key {
        Some(key) => keys.insert(host.to_owned(), key.into()),
        None => keys.remove(host),
    };
    state.set(&ATTRIBUTE.into(), Value::Map(keys));
    let path = tfplugin::AttributePath::new("nodes").key(host);
    if state.get(&path).is_some_and(|node| !node.is_null()) {
        state.set(&path.attribute("ssh_host_key"), key.map_or(Value::Null, Value::from));
    }
}

#[cfg(test)]
mod tests;
