//! Whether etcd can get its quorum back, as far as the hosts show.

use kubeone_facts::EtcdMember;

use crate::etcd::{is_member_of, is_quorum};
use crate::evidence::holds_data;
use crate::quorum::voters;
use crate::situation::Situation;
use crate::standing::Standing;

/// Whether most voting members are on reachable hosts that hold their data. Members are those that a member lists, or
/// else the control planes of the settings.
pub(crate) fn may_recover(situation: &Situation<'_>) -> bool {
    let holders = situation.finished_control_planes();
    let holders: Vec<_> = holders.filter(|(host, facts)| holds_data(facts) && !host.is_abandoned).collect();
    let voters: Vec<_> = voters(situation).collect();
    if voters.is_empty() {
        let hosts = situation.control_planes().iter();
        let lost = hosts.filter(|host| matches!(host.standing, Standing::Unreachable { .. })).count();
        return is_quorum(holders.len(), holders.len() + without_data(situation).len() + lost);
    }
    let stays = |voter: &&&EtcdMember| holders.iter().any(|(host, _)| is_member_of(voter, host.name, host.spec));
    let leaves = |voter: &&&EtcdMember| {
        let leaving = situation.wanted.leaving.iter();
        let mut leaving = leaving.filter(|(name, leaving)| is_member_of(voter, name, &leaving.host));
        leaving.any(|(name, _)| situation.observed.leaving_facts(name).is_some_and(holds_data))
    };
    is_quorum(voters.iter().filter(|voter| stays(voter) || leaves(voter)).count(), voters.len())
}

/// Reachable finished control planes without etcd data. One that was reset is about to join again.
pub(crate) fn without_data<'a>(situation: &Situation<'a>) -> Vec<&'a str> {
    let hosts = situation.finished_control_planes();
    let gone = hosts.filter(|(host, facts)| !holds_data(facts) && !host.was_reset);
    gone.map(|(host, _)| host.name).collect()
}
