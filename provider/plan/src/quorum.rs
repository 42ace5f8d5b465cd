//! Which etcd members vote and which of them are available.

use kubeone_facts::EtcdMember;

use crate::etcd::{is_member_of, is_quorum, label};
use crate::restore::members;
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;

/// Members that vote.
pub(crate) fn voters<'a>(situation: &Situation<'a>) -> impl Iterator<Item = &'a EtcdMember> {
    situation.evidence.members.iter().filter(|member| !member.learner)
}

/// Whether the host of a member was reached and its etcd answers. A host that was never observed counts as available,
/// for example after a run that was killed before Terraform saved it: it is observed and checked again before anything
/// changes.
pub(crate) fn answers(situation: &Situation<'_>, member: &EtcdMember) -> bool {
    let mut stay = situation.control_planes().iter().filter(|host| is_member_of(member, host.name, host.spec));
    let mut leave = situation.wanted.leaving.iter().filter(|(name, it)| is_member_of(member, name, &it.host));
    stay.any(|host| host.standing == Standing::Unseen || !members(host).is_empty())
        || leave.any(|(name, _)| situation.observed.leaving_facts(name).is_some_and(|it| !it.etcd_members.is_empty()))
}

/// Whether it is available, or is repaired before anything restarts. A host that was reset joins only after that.
fn will_answer(situation: &Situation<'_>, member: &EtcdMember) -> bool {
    let stays = |host: &HostSituation<'_>| host.is_ours() && !host.was_reset && !host.is_abandoned;
    let mut hosts = situation.control_planes().iter();
    answers(situation, member) || hosts.any(|host| is_member_of(member, host.name, host.spec) && stays(host))
}

/// The members that etcd lacks for its quorum while the one on this host restarts; `None` if quorum is kept or already
/// lost. A single member, and one of two, cannot restart without an interruption.
pub(crate) fn missing_for_a_restart(situation: &Situation<'_>, host: &HostSituation<'_>) -> Option<Vec<String>> {
    // Members of dead machines are removed before anything restarts.
    let dead: Vec<_> = situation.departing.iter().filter(|node| node.has_member && !node.is_reachable()).collect();
    let leaving = &situation.wanted.leaving;
    let left_behind = |member: &&EtcdMember| {
        !answers(situation, member) && dead.iter().any(|it| is_member_of(member, it.name, &leaving[it.name].host))
    };
    let voters = voters(situation).filter(|member| !left_behind(member));
    let (own, others): (Vec<_>, Vec<_>) = voters.partition(|member| is_member_of(member, host.name, host.spec));
    let (well, ill): (Vec<&EtcdMember>, Vec<_>) =
        others.iter().copied().partition(|member| will_answer(situation, member));
    let all = own.len() + others.len();
    let is_well = own.iter().any(|member| answers(situation, member));
    let costs_quorum = is_well && all > 2 && is_quorum(well.len() + 1, all) && !is_quorum(well.len(), all);
    costs_quorum.then(|| ill.into_iter().map(label).collect())
}
