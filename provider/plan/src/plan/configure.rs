//! Where in a plan nodes get what their hosts' settings say of them: when nothing else is left to do on them.

use kubeone_facts::{NodeSettings, Observed};
use kubeone_spec::{HostSpec, Role};

use super::{Action, Lane};
use crate::node_changes::{NodeChange, of_host, of_node};
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// Side by side; but control planes whose kubelets restart one after the other. A host that becomes a node gets its
/// settings then.
pub(super) fn lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let mut lanes = vec![Lane::new()];
    for (name, role, host) in wanted.spec.hosts() {
        let what = changes(wanted, observed, name, role, host);
        if what.is_empty() {
            continue;
        }
        let configure = Action::ConfigureNode { host: name.to_owned(), role, what };
        if role == Role::ControlPlane && configure.effects().restarts_kubelet {
            lanes[0].push(configure);
        } else {
            lanes.push(vec![configure]);
        }
    }
    lanes
}

fn changes(wanted: &Wanted, observed: &Observed, name: &str, role: Role, host: &HostSpec) -> Vec<NodeChange> {
    let standing = standing(wanted, observed, name);
    let node = observed.api_facts().and_then(|api| api.nodes.get(name));
    // The Node of a host that cannot be reached is still in the API.
    let (Some(node), Standing::Finished | Standing::Adoptable | Standing::Unreachable { .. }) = (node, &standing)
    else {
        return Vec::new();
    };
    let mut settings = node.settings.clone();
    if standing == Standing::Adoptable {
        own_all_taints(&mut settings);
    }
    let mut changes = of_node(host, role, &settings);
    changes.extend(observed.facts(name).and_then(|facts| of_host(host, facts)));
    changes
}

/// What an adopted node carries is known from its import: it was written into the settings, so it goes when it is dropped
/// there.
pub(crate) fn own_all_taints(settings: &mut NodeSettings) {
    settings.own_taints.get_or_insert_with(|| settings.taints.clone());
}
