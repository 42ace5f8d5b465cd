//! The plan that removes a cluster from its hosts.

use kubeone_facts::Observed;
use kubeone_spec::Role;

use super::{Action, Lane, Plan};
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::wanted::Wanted;

/// Workers first, while the API still identifies them; then all control planes in parallel, because no data has to be
/// kept. Foreign hosts are not touched. [`crate::check_removal`] decides about unreachable hosts.
pub fn plan_removal(wanted: &Wanted, observed: &Observed) -> Plan {
    let situation = Situation::new(wanted, observed);
    let reset = |host: &HostSituation<'_>| {
        let ca = match host.standing {
            Standing::Unseen | Standing::Begun | Standing::Finished => None,
            Standing::Adoptable | Standing::Damaged { .. } => {
                Some(situation.evidence.known_ca(host.facts?)?.to_owned())
            }
            Standing::Unreachable { .. } | Standing::Foreign(_) | Standing::Bare => return None,
        };
        let keeps_snapshots = wanted.spec.deletion.keep_snapshots;
        Some(vec![Action::ResetHost { host: host.name.to_owned(), role: host.role, keeps_snapshots, ca }])
    };
    let resets = |role| -> Vec<Lane> { situation.of_role(role).iter().filter_map(reset).collect() };
    let mut plan = Plan::default();
    plan.add("reset workers", resets(Role::Worker));
    plan.add("reset control planes", resets(Role::ControlPlane));
    plan
}
