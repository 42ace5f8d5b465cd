//! What may be believed about the cluster, of all that hosts say. Plan, check and steps take it from here alone.
//!
//! Only control planes bear witness, and only those that are finished nodes of this cluster: a worker knows nothing of etcd.
//! One control plane alone is not believed against others that hold data. A restore that only it remembers would have them
//! stopped, emptied and joined again, so most must share the memory, or the settings must ask for that restore.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kubeone_desired::host_files;
use kubeone_facts::{EtcdMember, HostFacts, Observed};
use kubeone_spec::{Restore, Role};

use crate::memory::{is_earlier, key_of, remembers, when};
use crate::standing::{JOIN_UNIT, Standing, standing, standing_of};
use crate::wanted::Wanted;

/// How far ahead of ours the clock of whoever wrote a marker may be.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// A control plane of the cluster that was reached.
#[derive(Clone, Copy)]
pub struct Witness<'w, 'o> {
    pub name: &'w str,
    pub facts: &'o HostFacts,
}

/// All that are finished nodes: those that stay, by name, and then those that leave.
pub fn witnesses<'w, 'o>(
    wanted: &'w Wanted,
    observed: &'o Observed,
) -> impl Iterator<Item = Witness<'w, 'o>> + use<'w, 'o> {
    of_standing(wanted, observed, &[Standing::Finished])
}

fn of_standing<'w, 'o>(
    wanted: &'w Wanted,
    observed: &'o Observed,
    standings: &'static [Standing<'static>],
) -> impl Iterator<Item = Witness<'w, 'o>> + use<'w, 'o> {
    let stay = wanted.spec.control_plane.keys().filter_map(move |name| {
        let facts = observed.facts(name)?;
        standings.contains(&standing(wanted, observed, name)).then_some(Witness { name, facts })
    });
    let leaving = wanted.leaving.iter().filter(|(_, leaving)| leaving.role == Role::ControlPlane);
    let leave = leaving.filter_map(move |(name, _)| {
        let facts = observed.leaving_facts(name)?;
        let standing = standing_of(wanted, observed, name, observed.leaving.get(name));
        standings.contains(&standing).then_some(Witness { name, facts })
    });
    stay.chain(leave)
}

/// What time it is for the cluster: as half of its control planes say, for one clock may be wrong.
fn clock(wanted: &Wanted, observed: &Observed) -> Option<Timestamp> {
    let clocks = witnesses(wanted, observed).filter_map(|witness| witness.facts.now(&observed.observed_at));
    let mut clocks: Vec<_> = clocks.chain(observed.observed_at.parse().ok()).collect();
    clocks.sort_unstable();
    clocks.get(clocks.len().saturating_sub(1) / 2).copied()
}

/// What one control plane has to say about the last restore.
#[derive(Clone, Copy)]
pub struct Voice<'a> {
    pub name: &'a str,
    pub restored: Option<&'a str>,
    /// Whether it holds data that would be lost if it had to join again.
    pub has_data: bool,
}

/// What else speaks for a restore.
#[derive(Clone, Copy, Default)]
pub struct Backing<'a> {
    /// The one that the settings ask for.
    pub asked_for: Option<&'a Restore>,
    /// The one that was believed when the plan was made.
    pub believed: Option<&'a str>,
}

impl<'a> Backing<'a> {
    fn of(wanted: &'a Wanted) -> Self {
        Self { asked_for: wanted.spec.restore.as_ref(), believed: None }
    }

    /// Settings ask for a restore once: where the last one that the others know is this, they ask for nothing more. Whose data
    /// a survivor's are knows best whether etcd has them.
    fn supports(&self, restored: &str, share: &[Voice<'_>], against: &[Voice<'_>]) -> bool {
        let is_asked_for = |memory: &str| self.asked_for.is_some_and(|restore| restore.is_done_by(key_of(memory)));
        let others = against.iter().filter_map(|voice| voice.restored).chain(self.believed);
        let before = others.filter(|other| is_earlier(Some(other), Some(restored))).max_by_key(|other| when(other));
        let survivor = self.asked_for.and_then(|restore| restore.survivor.as_deref());
        let denies = |survivor: &str| {
            against.iter().any(|voice| voice.name == survivor) && !share.iter().any(|voice| voice.name == survivor)
        };
        self.believed == Some(restored)
            || is_asked_for(restored) && !before.is_some_and(is_asked_for) && !survivor.is_some_and(denies)
    }
}

/// The last restore that may be believed.
pub fn last_restore<'a>(voices: &[Voice<'a>], backing: Backing<'_>) -> Option<&'a str> {
    let mut claims: Vec<_> =
        voices.iter().filter_map(|voice| voice.restored).filter_map(|claim| Some((when(claim)?, claim))).collect();
    claims.sort_unstable();
    claims.into_iter().rev().map(|(_, claim)| claim).find(|claim| is_believed(claim, voices, backing))
}

fn is_believed(claim: &str, voices: &[Voice<'_>], backing: Backing<'_>) -> bool {
    let (others, share): (Vec<Voice<'_>>, Vec<_>) =
        voices.iter().copied().partition(|voice| is_earlier(voice.restored, Some(claim)));
    let against: Vec<_> = others.into_iter().filter(|voice| voice.has_data).collect();
    share.len() > against.len() || backing.supports(claim, &share, &against)
}

/// The last restore that may be believed of those that control planes remember.
pub fn latest<'o>(wanted: &Wanted, observed: &'o Observed) -> Option<&'o str> {
    let all: Vec<_> = witnesses(wanted, observed).collect();
    let voices: Vec<_> = all.iter().map(Witness::voice).collect();
    let last = last_restore(&voices, Backing::of(wanted));
    all.iter().filter_map(|witness| remembers(witness.facts)).find(|restored| Some(*restored) == last)
}

impl<'a> Witness<'a, 'a> {
    fn voice(&self) -> Voice<'a> {
        Voice { name: self.name, restored: remembers(self.facts), has_data: self.would_lose_data() }
    }

    /// Not one that was stopped for a restore, that has begun to join again, or whose own member of etcd says that it is
    /// none of those that vote.
    fn would_lose_data(&self) -> bool {
        let facts = self.facts;
        let joins = facts.unrecorded && facts.units.contains_key(JOIN_UNIT);
        let votes = |member: &EtcdMember| member.name == self.name && !member.learner;
        let is_outside = !facts.etcd_members.is_empty() && !facts.etcd_members.iter().any(votes);
        holds_data(facts) && facts.restore.is_none() && !joins && !is_outside
    }
}

/// Whether a control plane has data of etcd. Where an adopted host has them is its owner's business.
pub fn holds_data(facts: &HostFacts) -> bool {
    facts.kubernetes.etcd_data || host_files::is_adopted(facts)
}

/// Why a memory of a restore is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt<'w> {
    /// It says no time.
    Unreadable,
    /// It says a time that has not come yet.
    Future { is_believed: bool },
    /// These know nothing of it and hold data.
    Contradicted { by: Vec<&'w str> },
}

/// All memories that are not simply believed, with the control plane that has them.
pub fn doubts<'w, 'o>(wanted: &'w Wanted, observed: &'o Observed) -> Vec<(&'w str, &'o str, Doubt<'w>)> {
    let all: Vec<_> = witnesses(wanted, observed).collect();
    let voices: Vec<_> = all.iter().map(Witness::voice).collect();
    let backing = Backing::of(wanted);
    let limit = clock(wanted, observed).and_then(|now| now.checked_add(CLOCK_TOLERANCE).ok());
    let is_future = |claim: &str| limit.zip(when(claim)).is_some_and(|(limit, at)| at > limit);
    let doubt = |witness: &Witness<'w, 'o>| {
        let claim = remembers(witness.facts)?;
        let is_believed = is_believed(claim, &voices, backing);
        let by = || all.iter().filter(|it| it.would_lose_data() && is_earlier(remembers(it.facts), Some(claim)));
        let doubt = match when(claim) {
            None => Doubt::Unreadable,
            Some(_) if is_future(claim) => Doubt::Future { is_believed },
            Some(_) if is_believed => return None,
            Some(_) => Doubt::Contradicted { by: by().map(|it| it.name).collect() },
        };
        Some((witness.name, claim, doubt))
    };
    all.iter().filter_map(doubt).collect()
}

/// The control planes of the present cluster: those that have not missed its last restore. Where somebody else made them, they
/// are ours by what the API says of them.
pub fn present<'w, 'o>(
    wanted: &'w Wanted,
    observed: &'o Observed,
) -> impl Iterator<Item = Witness<'w, 'o>> + use<'w, 'o> {
    let last = latest(wanted, observed);
    let is_present = move |witness: &Witness<'_, '_>| {
        witness.facts.marker.as_ref().is_none() || !is_earlier(remembers(witness.facts), last)
    };
    of_standing(wanted, observed, &[Standing::Finished, Standing::Adoptable]).filter(is_present)
}

/// The members of etcd, as most control planes of the present cluster list them; of lists that equally many have, the longest:
/// one that lost its data may have begun anew, alone.
pub fn members<'o>(wanted: &Wanted, observed: &'o Observed) -> &'o [EtcdMember] {
    agreed(present(wanted, observed).map(|witness| witness.facts.etcd_members.as_slice()))
}

/// The list that most have; of those that equally many have, the longest, and of those the first.
pub fn agreed<'a>(lists: impl Iterator<Item = &'a [EtcdMember]>) -> &'a [EtcdMember] {
    let lists: Vec<_> = lists.filter(|list| !list.is_empty()).map(|list| (list, votes(list))).collect();
    let weight = |it: &&(&[EtcdMember], BTreeSet<_>)| {
        let alike = lists.iter().filter(|other| other.1 == it.1).count();
        (alike, it.0.len())
    };
    // `max_by_key` gives the last of the greatest.
    lists.iter().rev().max_by_key(weight).map(|(list, _)| *list).unwrap_or_default()
}

/// The CA by which a host whose marker is damaged is known to be of this cluster although the API does not say so: finished
/// control planes have the same one.
pub fn known_ca<'o>(wanted: &Wanted, observed: &'o Observed, facts: &'o HostFacts) -> Option<&'o str> {
    facts.marker.damage()?;
    let ca = Some(facts.kubernetes.ca_sha256.as_str()).filter(|ca| !ca.is_empty())?;
    let of_api = observed
        .api_facts()
        .is_some_and(|api| api.ca_sha256 == ca && wanted.uid.as_ref().is_none_or(|uid| *uid == api.cluster_uid));
    let is_shared = || witnesses(wanted, observed).any(|witness| witness.facts.kubernetes.ca_sha256 == ca);
    (of_api || is_shared()).then_some(ca)
}

/// Whether two lists tell the same of who votes.
pub fn is_alike(one: &[EtcdMember], other: &[EtcdMember]) -> bool {
    votes(one) == votes(other)
}

fn votes(list: &[EtcdMember]) -> BTreeSet<(&str, bool)> {
    list.iter().map(|member| (member.id.as_str(), member.learner)).collect()
}
