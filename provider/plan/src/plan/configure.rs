//! Plans when nodes get their labels, annotations, taints and kubelet settings: after everything else on them is done.

use kubeone_facts::NodeSettings;
use kubeone_spec::Role;

use super::{Action, Lane};
use crate::node_changes::{NodeChange, of_host, of_node};
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;

/// Nodes in parallel, except that control planes whose kubelets restart go one after the other. A host that becomes a
/// node gets its settings when it joins.
pub(super) fn lanes(situation: &Situation<'_>) -> Vec<Lane> {
    let mut lanes = vec![Lane::new()];
    for host in situation.hosts() {
        let what = changes(host);
        if what.is_empty() {
            continue;
        }
        let configure = Action::ConfigureNode { host: host.name.to_owned(), role: host.role, what };
        if host.role == Role::ControlPlane && configure.effects().restarts_kubelet {
            lanes[0].push(configure);
        } else {
            lanes.push(vec![configure]);
        }
    }
    lanes
}

fn changes(host: &HostSituation<'_>) -> Vec<NodeChange> {
    // The Node of an unreachable host is still in the API.
    let Some(node) = host.node.filter(|_| host.is_node()) else { return Vec::new() };
    let mut settings = node.settings.clone();
    if host.standing == Standing::Adoptable {
        own_all_taints(&mut settings);
    }
    let mut changes = of_node(host.spec, host.role, &settings);
    changes.extend(host.facts.and_then(|facts| of_host(host.spec, facts)));
    changes
}

/// The import wrote all taints of an adopted node into the settings, so a taint that is dropped there is removed.
pub(crate) fn own_all_taints(settings: &mut NodeSettings) {
    settings.own_taints.get_or_insert_with(|| settings.taints.clone());
}
