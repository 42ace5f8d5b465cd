//! What is believed about the cluster, of everything that hosts report. Plan, check and steps read it here only.
//!
//! Only control planes that are finished nodes of this cluster count; a worker knows nothing about etcd. A single
//! control plane is not believed against others that hold data: a restore that only it records would make them stop,
//! lose their data and join again. So most must have the same record, or the settings must ask for that restore.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kubeone_desired::host_files;
use kubeone_facts::{EtcdMember, HostFacts, Observed};
use kubeone_spec::{Restore, Role};

use crate::restore_record::{is_earlier, key_of, recorded, when};
use crate::standing::{JOIN_UNIT, Standing};
use crate::wanted::Wanted;

/// How far the clock of a host that wrote a marker may be ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// A reachable control plane of the cluster.
#[derive(Clone, Copy)]
pub struct Reporter<'a> {
    pub name: &'a str,
    pub facts: &'a HostFacts,
}

/// What the control planes report together.
pub struct Evidence<'a> {
    pub wanted: &'a Wanted,
    pub observed: &'a Observed,
    /// All finished nodes: those that stay, by name, then those that leave.
    reporters: Vec<Reporter<'a>>,
    /// The last restore that is believed, of those that control planes record.
    pub last_restore: Option<&'a str>,
    /// The control planes of the present cluster: those that did not miss its last restore. Control planes that another
    /// tool created count because the API identifies them.
    pub present: Vec<Reporter<'a>>,
    /// The etcd members, as most control planes of the present cluster list them. Of lists with equal support, the
    /// longest: a control plane that lost its data may have started a new etcd alone.
    pub members: &'a [EtcdMember],
}

impl<'a> Evidence<'a> {
    /// The standings are those of all hosts and of all departing machines, each in the order of the settings.
    pub(crate) fn new(
        wanted: &'a Wanted,
        observed: &'a Observed,
        hosts: &[Standing<'a>],
        leaving: &[Standing<'a>],
    ) -> Self {
        let stay = wanted.spec.control_plane.keys().zip(hosts);
        let stay =
            stay.filter_map(|(name, standing)| Some((Reporter { name, facts: observed.facts(name)? }, *standing)));
        let leave = wanted.leaving.iter().zip(leaving).filter(|((_, leaving), _)| leaving.role == Role::ControlPlane);
        let leave = leave.filter_map(|((name, _), standing)| {
            Some((Reporter { name, facts: observed.leaving_facts(name)? }, *standing))
        });
        let all: Vec<_> = stay.chain(leave).collect();
        let finished = all.iter().filter(|(_, standing)| *standing == Standing::Finished);
        let reporters: Vec<_> = finished.map(|(reporter, _)| *reporter).collect();

        let reports: Vec<_> = reporters.iter().map(Reporter::report).collect();
        let last_restore = last_restore(&reports, Backing::of(wanted));
        let is_present = |reporter: &Reporter<'_>| {
            reporter.facts.marker.as_ref().is_none() || !is_earlier(recorded(reporter.facts), last_restore)
        };
        let ours = all.iter().filter(|(_, it)| matches!(it, Standing::Finished | Standing::Adoptable));
        let present: Vec<_> = ours.map(|(reporter, _)| *reporter).filter(is_present).collect();
        let members = agreed(present.iter().map(|reporter| reporter.facts.etcd_members.as_slice()));
        Self { wanted, observed, reporters, last_restore, present, members }
    }

    /// The time in the cluster: the median of its control planes' clocks, because one may be wrong.
    fn clock(&self) -> Option<Timestamp> {
        let now = &self.observed.observed_at;
        let clocks = self.reporters.iter().filter_map(|reporter| reporter.facts.now(now));
        let mut clocks: Vec<_> = clocks.chain(now.parse().ok()).collect();
        clocks.sort_unstable();
        clocks.get(clocks.len().saturating_sub(1) / 2).copied()
    }

    /// All records that are not simply believed, with the control plane that has them.
    pub fn doubts(&self) -> Vec<(&'a str, &'a str, Doubt<'a>)> {
        let reports: Vec<_> = self.reporters.iter().map(Reporter::report).collect();
        let backing = Backing::of(self.wanted);
        let limit = self.clock().and_then(|now| now.checked_add(CLOCK_TOLERANCE).ok());
        let is_future = |claim: &str| limit.zip(when(claim)).is_some_and(|(limit, at)| at > limit);
        let doubt = |reporter: &Reporter<'a>| {
            let claim = recorded(reporter.facts)?;
            let is_believed = is_believed(claim, &reports, backing);
            let knows_nothing =
                |it: &&Reporter<'a>| it.would_lose_data() && is_earlier(recorded(it.facts), Some(claim));
            let by = || self.reporters.iter().filter(knows_nothing).map(|it| it.name).collect();
            let doubt = match when(claim) {
                None => Doubt::Unreadable,
                Some(_) if is_future(claim) => Doubt::Future { is_believed },
                Some(_) if is_believed => return None,
                Some(_) => Doubt::Contradicted { by: by() },
            };
            Some((reporter.name, claim, doubt))
        };
        self.reporters.iter().filter_map(doubt).collect()
    }

    /// The CA that identifies a host with a damaged marker as part of this cluster: the API or a finished control plane
    /// has the same one.
    pub fn known_ca<'f>(&self, facts: &'f HostFacts) -> Option<&'f str> {
        facts.marker.damage()?;
        let ca = Some(facts.kubernetes.ca_sha256.as_str()).filter(|ca| !ca.is_empty())?;
        let uid = self.wanted.uid.as_ref();
        let is_of_api = self
            .observed
            .api_facts()
            .is_some_and(|api| api.ca_sha256 == ca && uid.is_none_or(|uid| *uid == api.cluster_uid));
        let is_shared = || self.reporters.iter().any(|reporter| reporter.facts.kubernetes.ca_sha256 == ca);
        (is_of_api || is_shared()).then_some(ca)
    }
}

/// What one control plane reports about the last restore.
#[derive(Clone, Copy)]
pub struct RestoreReport<'a> {
    pub name: &'a str,
    pub restored: Option<&'a str>,
    /// Whether it holds data that it would lose by joining again.
    pub has_data: bool,
}

/// What else supports a restore.
#[derive(Clone, Copy, Default)]
pub struct Backing<'a> {
    /// The restore that the settings ask for.
    pub asked_for: Option<&'a Restore>,
    /// The restore that was believed when the plan was made.
    pub believed: Option<&'a str>,
}

impl<'a> Backing<'a> {
    fn of(wanted: &'a Wanted) -> Self {
        Self { asked_for: wanted.spec.restore.as_ref(), believed: None }
    }

    /// The settings ask for a restore only once: if it is already the last one that the others record, they do not
    /// support a further one. The survivor of a restore knows best whether it took place.
    fn supports(&self, restored: &str, share: &[RestoreReport<'_>], against: &[RestoreReport<'_>]) -> bool {
        let is_asked_for = |memory: &str| self.asked_for.is_some_and(|restore| restore.is_done_by(key_of(memory)));
        let others = against.iter().filter_map(|report| report.restored).chain(self.believed);
        let before = others.filter(|other| is_earlier(Some(other), Some(restored))).max_by_key(|other| when(other));
        let survivor = self.asked_for.and_then(|restore| restore.survivor.as_deref());
        let denies = |survivor: &str| {
            against.iter().any(|report| report.name == survivor) && !share.iter().any(|report| report.name == survivor)
        };
        self.believed == Some(restored)
            || is_asked_for(restored) && !before.is_some_and(is_asked_for) && !survivor.is_some_and(denies)
    }
}

/// The last restore that is believed.
pub fn last_restore<'a>(reports: &[RestoreReport<'a>], backing: Backing<'_>) -> Option<&'a str> {
    let mut claims: Vec<_> =
        reports.iter().filter_map(|report| report.restored).filter_map(|claim| Some((when(claim)?, claim))).collect();
    claims.sort_unstable();
    claims.into_iter().rev().map(|(_, claim)| claim).find(|claim| is_believed(claim, reports, backing))
}

fn is_believed(claim: &str, reports: &[RestoreReport<'_>], backing: Backing<'_>) -> bool {
    let (others, share): (Vec<RestoreReport<'_>>, Vec<_>) =
        reports.iter().copied().partition(|report| is_earlier(report.restored, Some(claim)));
    let against: Vec<_> = others.into_iter().filter(|report| report.has_data).collect();
    share.len() > against.len() || backing.supports(claim, &share, &against)
}

impl<'a> Reporter<'a> {
    fn report(&self) -> RestoreReport<'a> {
        RestoreReport { name: self.name, restored: recorded(self.facts), has_data: self.would_lose_data() }
    }

    /// False for a control plane that was stopped for a restore or has started to join again, and for one whose own
    /// etcd member does not list it as a voter.
    fn would_lose_data(&self) -> bool {
        let facts = self.facts;
        let joins = facts.unrecorded && facts.units.contains_key(JOIN_UNIT);
        let votes = |member: &EtcdMember| member.name == self.name && !member.learner;
        let is_outside = !facts.etcd_members.is_empty() && !facts.etcd_members.iter().any(votes);
        holds_data(facts) && facts.restore.is_none() && !joins && !is_outside
    }
}

/// Whether a control plane has etcd data. An adopted host may keep it elsewhere.
pub fn holds_data(facts: &HostFacts) -> bool {
    facts.kubernetes.etcd_data || host_files::is_adopted(facts)
}

/// Why the record of a restore is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt<'w> {
    /// Its time cannot be read.
    Unreadable,
    /// Its time is in the future.
    Future { is_believed: bool },
    /// These hold data and do not have the record.
    Contradicted { by: Vec<&'w str> },
}

/// The list that most report; of lists with equal support, the longest, and of those the first.
pub fn agreed<'a>(lists: impl Iterator<Item = &'a [EtcdMember]>) -> &'a [EtcdMember] {
    let lists: Vec<_> = lists.filter(|list| !list.is_empty()).map(|list| (list, votes(list))).collect();
    let weight = |it: &&(&[EtcdMember], BTreeSet<_>)| {
        let alike = lists.iter().filter(|other| other.1 == it.1).count();
        (alike, it.0.len())
    };
    // `max_by_key` returns the last maximum.
    lists.iter().rev().max_by_key(weight).map(|(list, _)| *list).unwrap_or_default()
}

/// Whether two lists agree on the voters.
pub fn is_alike(one: &[EtcdMember], other: &[EtcdMember]) -> bool {
    votes(one) == votes(other)
}

fn votes(list: &[EtcdMember]) -> BTreeSet<(&str, bool)> {
    list.iter().map(|member| (member.id.as_str(), member.learner)).collect()
}
