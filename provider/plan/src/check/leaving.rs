//! Findings about machines that leave: what cannot be done in good order, and what is left alone.

use kubeone_facts::marker::unknown_owner;
use kubeone_spec::{Finding, Role};

use super::hosts::write_it_by_hand;
use super::{foreign_reason, host_path};
use crate::leaving::Leaver;
use crate::situation::Situation;
use crate::standing::Standing;
use crate::wanted::Wanted;

pub(super) fn findings(situation: &Situation<'_>) -> Vec<Finding> {
    let wanted = situation.wanted;
    let finding = |leaver: &Leaver<'_>| {
        let path = host_path(leaver.role, leaver.name);
        let gone = leaver.successor.is_some() || wanted.leaving[leaver.name].address_taken;
        match &leaver.standing {
            Standing::Unreachable { reason } if leaver.remains() && !gone => Some(Finding::warning(
                path,
                format!("{} is removed from the cluster and cannot be reached: {reason}", leaver.name),
                "If its kubelet does not respond either, its pods are not terminated gracefully. The machine is not \
                 cleaned.",
            )),
            Standing::Damaged { reason } => Some(Finding::error(
                path,
                unknown_owner(&format!("the machine of {}", leaver.name), reason),
                format!("It would keep running. {}", write_it_by_hand(wanted)),
            )),
            Standing::Foreign(foreign) => Some(Finding::warning(
                path,
                format!("the machine of {} is left alone: {}", leaver.name, foreign_reason(foreign)),
                "Only its Node is deleted. Only hosts with the marker of this cluster are reset.",
            )),
            _ => None,
        }
    };
    let departing = || situation.departing.iter();
    let endpoint = departing().filter_map(|leaver| takes_endpoint(wanted, leaver));
    endpoint.chain(departing().filter_map(finding)).collect()
}

/// A control plane that works and whose own address is where all nodes ask for the API.
fn takes_endpoint(wanted: &Wanted, leaver: &Leaver<'_>) -> Option<Finding> {
    let endpoint = &wanted.spec.api_endpoint;
    let stays = wanted.spec.control_plane.values().any(|host| endpoint.is_on(host));
    if leaver.role != Role::ControlPlane
        || !leaver.lives()
        || stays
        || !endpoint.is_on(&wanted.leaving[leaver.name].host)
    {
        return None;
    }
    Some(Finding::error(
        host_path(leaver.role, leaver.name),
        format!(
            "removing {} would make the API unreachable: `api_endpoint.host` is its address, {}",
            leaver.name, endpoint.host
        ),
        "All nodes use that endpoint, and it cannot be changed. Keep this host, or assign its address to another \
         control plane in the same change.",
    ))
}
