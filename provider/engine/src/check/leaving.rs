//! Findings about machines that leave: what cannot be done in good order, and what is left alone.

use kubeone_spec::Finding;

use super::{foreign_reason, host_path};
use crate::leaving::leavers;
use crate::observed::Observed;
use crate::standing::Standing;
use crate::wanted::Wanted;

pub(super) fn findings(wanted: &Wanted, observed: &Observed) -> Vec<Finding> {
    let finding = |leaver: crate::leaving::Leaver<'_>| {
        let path = host_path(leaver.role, leaver.name);
        let gone = leaver.successor.is_some() || wanted.leaving[leaver.name].address_taken;
        match &leaver.standing {
            Standing::Unreachable { reason } if leaver.remains() && !gone => Some(Finding::warning(
                path,
                format!("{} leaves the cluster and cannot be reached: {reason}", leaver.name),
                "If its kubelet does not answer either, its pods are given up without an end in good order. What the \
                 cluster left on the machine stays there.",
            )),
            Standing::Foreign(foreign) => Some(Finding::warning(
                path,
                format!("the machine of {} is left alone: {}", leaver.name, foreign_reason(foreign)),
                "Only its Node is deleted. Only hosts that carry this cluster's marker are reset.",
            )),
            _ => None,
        }
    };
    leavers(wanted, observed).filter_map(finding).collect()
}
