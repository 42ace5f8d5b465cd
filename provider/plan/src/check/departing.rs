//! Findings about machines that leave: what cannot leave gracefully, and what is left alone.

use kubeone_facts::marker::unknown_owner;
use kubeone_spec::{Finding, Role};

use super::hosts::write_it_by_hand;
use super::{foreign_reason, host_path};
use crate::departing::DepartingNode;
use crate::situation::Situation;
use crate::standing::Standing;
use crate::wanted::Wanted;

pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let wanted = situation.wanted;
    let finding = |node: &DepartingNode<'_>| {
        let path = host_path(node.role, node.name);
        let gone = node.replacement.is_some() || wanted.leaving[node.name].address_taken;
        match &node.standing {
            Standing::Unreachable { reason } if node.needs_removal() && !gone => Some(Finding::warning(
                path,
                format!("{} is removed from the cluster and cannot be reached: {reason}", node.name),
                "If its kubelet does not respond either, its pods are not terminated gracefully. The machine is not \
                 cleaned.",
            )),
            Standing::Damaged { reason } => Some(Finding::error(
                path,
                unknown_owner(&format!("the machine of {}", node.name), reason),
                format!("It would keep running. {}", write_it_by_hand(wanted)),
            )),
            Standing::Foreign(foreign) => Some(Finding::warning(
                path,
                format!("the machine of {} is left alone: {}", node.name, foreign_reason(foreign)),
                "Only its Node is deleted. Only hosts with the marker of this cluster are reset.",
            )),
            _ => None,
        }
    };
    let departing = || situation.departing.iter();
    let endpoint = departing().filter_map(|node| takes_endpoint(wanted, node));
    endpoint.chain(departing().filter_map(finding)).collect()
}

/// A working control plane whose own address is the endpoint of the API.
fn takes_endpoint(wanted: &Wanted, node: &DepartingNode<'_>) -> Option<Finding> {
    let endpoint = &wanted.spec.api_endpoint;
    let stays = wanted.spec.control_plane.values().any(|host| endpoint.is_on(host));
    if node.role != Role::ControlPlane || !node.can_drain() || stays || !endpoint.is_on(&wanted.leaving[node.name].host)
    {
        return None;
    }
    Some(Finding::error(
        host_path(node.role, node.name),
        format!(
            "removing {} would make the API unreachable: `api_endpoint.host` is its address, {}",
            node.name, endpoint.host
        ),
        "All nodes use that endpoint, and it cannot be changed. Keep this host, or assign its address to another \
         control plane in the same change.",
    ))
}
