//! Whether enough of etcd is left for its cluster to answer again, as far as hosts alone show it.

use kubeone_facts::{EtcdMember, Observed};

use crate::etcd::{is_member_of, is_quorum};
use crate::evidence::holds_data;
use crate::quorum::voters;
use crate::restore::{finished_control_planes, is_abandoned};
use crate::standing::{Standing, standing, was_reset};
use crate::wanted::Wanted;

/// Whether most voting members are on hosts that were reached and hold their data. Members are those that a member on one
/// of the hosts knows, or else what the settings name.
pub fn may_answer(wanted: &Wanted, observed: &Observed) -> bool {
    let holders: Vec<_> = finished_control_planes(wanted, observed)
        .filter(|(name, facts)| holds_data(facts) && !is_abandoned(wanted, observed, name))
        .map(|(name, _)| name)
        .collect();
    let voters: Vec<_> = voters(wanted, observed).collect();
    if voters.is_empty() {
        let unreachable = |name: &&String| matches!(standing(wanted, observed, name), Standing::Unreachable { .. });
        let lost = wanted.spec.control_plane.keys().filter(unreachable).count();
        return is_quorum(holders.len(), holders.len() + without_data(wanted, observed).len() + lost);
    }
    let stays = |voter: &&&EtcdMember| {
        holders.iter().any(|name| wanted.spec.host(name).is_some_and(|host| is_member_of(voter, name, host)))
    };
    let leaves = |voter: &&&EtcdMember| {
        let mut leaving = wanted.leaving.iter().filter(|(name, leaving)| is_member_of(voter, name, &leaving.host));
        leaving.any(|(name, _)| observed.leaving_facts(name).is_some_and(holds_data))
    };
    is_quorum(voters.iter().filter(|voter| stays(voter) || leaves(voter)).count(), voters.len())
}

/// Finished control planes that were reached and have no data of etcd. One that was reset is about to join again.
pub fn without_data<'a>(wanted: &'a Wanted, observed: &'a Observed) -> Vec<&'a str> {
    let hosts = finished_control_planes(wanted, observed);
    let gone = hosts.filter(|(name, facts)| !holds_data(facts) && !was_reset(wanted, observed, name));
    gone.map(|(name, _)| name).collect()
}
