//! Which members of etcd vote and which of them answer, as the hosts showed it. Plan and check decide by this alone.

use kubeone_facts::{EtcdMember, Observed};

use crate::etcd::{is_member_of, is_quorum, label};
use crate::evidence;
use crate::leaving::leavers;
use crate::restore::{is_abandoned, members};
use crate::standing::{Standing, standing, was_reset};
use crate::wanted::Wanted;

/// Members with a vote.
pub fn voters<'a>(wanted: &Wanted, observed: &'a Observed) -> impl Iterator<Item = &'a EtcdMember> {
    evidence::members(wanted, observed).iter().filter(|member| !member.learner)
}

/// Whether the host of a member was reached, and its etcd answered there. One that nobody has looked at yet, as after a
/// run that was killed before Terraform knew of it, is looked at before anything changes, and this is asked again then.
pub fn answers(wanted: &Wanted, observed: &Observed, member: &EtcdMember) -> bool {
    let unseen = |name: &str| standing(wanted, observed, name) == Standing::Unseen;
    if wanted.spec.control_plane.iter().any(|(name, host)| unseen(name) && is_member_of(member, name, host)) {
        return true;
    }
    let stay = wanted.spec.control_plane.iter().map(|(name, host)| (name, host, members(wanted, observed, name)));
    let leave = wanted.leaving.iter().map(|(name, it)| {
        let seen = observed.leaving_facts(name).map_or(&[][..], |facts| facts.etcd_members.as_slice());
        (name, &it.host, seen)
    });
    stay.chain(leave).any(|(name, host, seen)| !seen.is_empty() && is_member_of(member, name, host))
}

/// Whether it answers, or is put right before anything restarts. One whose host was reset joins again after that.
fn will_answer(wanted: &Wanted, observed: &Observed, member: &EtcdMember) -> bool {
    let stays = |name: &str| {
        matches!(standing(wanted, observed, name), Standing::Finished | Standing::Adoptable)
            && !was_reset(wanted, observed, name)
            && !is_abandoned(wanted, observed, name)
    };
    let mut hosts = wanted.spec.control_plane.iter();
    answers(wanted, observed, member) || hosts.any(|(name, host)| is_member_of(member, name, host) && stays(name))
}

/// The members without which etcd would lose its quorum while the one on this host restarts; `None` when it would not, or
/// when it has none to lose. A single member, and one of two, cannot restart without a pause.
pub fn missing_for_a_restart(wanted: &Wanted, observed: &Observed, host: &str) -> Option<Vec<String>> {
    let spec = wanted.spec.control_plane.get(host)?;
    // What dead machines left behind goes before anything restarts.
    let dead: Vec<_> = leavers(wanted, observed).filter(|leaver| leaver.has_member && !leaver.answers()).collect();
    let left_behind = |member: &&EtcdMember| {
        !answers(wanted, observed, member)
            && dead.iter().any(|it| is_member_of(member, it.name, &wanted.leaving[it.name].host))
    };
    let voters = voters(wanted, observed).filter(|member| !left_behind(member));
    let (own, others): (Vec<_>, Vec<_>) = voters.partition(|member| is_member_of(member, host, spec));
    let (well, ill): (Vec<&EtcdMember>, Vec<_>) =
        others.iter().copied().partition(|member| will_answer(wanted, observed, member));
    let all = own.len() + others.len();
    let is_well = own.iter().any(|member| answers(wanted, observed, member));
    let costs_quorum = is_well && all > 2 && is_quorum(well.len() + 1, all) && !is_quorum(well.len(), all);
    costs_quorum.then(|| ill.into_iter().map(label).collect())
}
