//! The situation of a cluster: everything that is judged about its machines from settings and observation, once.

use kubeone_facts::{ApiState, HostFacts, NodeFacts, Observed};
use kubeone_spec::{ClusterSpec, HostSpec, Role};

use crate::departing::{DepartingNode, departing_nodes};
use crate::evidence::Evidence;
use crate::repair;
use crate::restore_record::{is_earlier, recorded};
use crate::standing::{Standing, standing, standing_of, was_reset};
use crate::versions::{self, Progress};
use crate::wanted::Wanted;

/// What planning and checks read instead of judging again.
pub struct Situation<'a> {
    pub wanted: &'a Wanted,
    pub spec: &'a ClusterSpec,
    pub observed: &'a Observed,
    pub evidence: Evidence<'a>,
    /// Machines that leave, by name.
    pub departing: Vec<DepartingNode<'a>>,
    /// In the order of [`ClusterSpec::hosts`].
    hosts: Vec<HostSituation<'a>>,
}

/// What is judged about a host of the settings.
pub struct HostSituation<'a> {
    pub name: &'a str,
    pub role: Role,
    pub spec: &'a HostSpec,
    /// If it was reached.
    pub facts: Option<&'a HostFacts>,
    /// If the cluster has a Node with its name.
    pub node: Option<&'a NodeFacts>,
    pub standing: Standing<'a>,
    /// A finished node was reset to join again, and did not join.
    pub was_reset: bool,
    /// A finished control plane belongs to the cluster before the last restore: it was stopped for the restore, or
    /// unreachable.
    pub is_abandoned: bool,
    /// A finished control plane is not a member of etcd.
    pub lost_member: bool,
    /// A finished control plane has no Node.
    pub lost_node: bool,
    /// How far its upgrade to the wanted version is.
    pub progress: Progress,
}

impl<'a> Situation<'a> {
    pub fn new(wanted: &'a Wanted, observed: &'a Observed) -> Self {
        let spec = &wanted.spec;
        let standings: Vec<_> = spec.hosts().map(|(name, ..)| standing(wanted, observed, name)).collect();
        let of_leaving = |name: &String| standing_of(wanted, observed, name, observed.leaving.get(name));
        let leaving: Vec<_> = wanted.leaving.keys().map(of_leaving).collect();
        let evidence = Evidence::new(wanted, observed, &standings, &leaving);
        let departing = departing_nodes(&evidence, &leaving);
        let hosts = spec.hosts().zip(standings);
        let hosts = hosts.map(|(host, standing)| HostSituation::new(&evidence, &departing, host, standing)).collect();
        Self { wanted, spec, observed, evidence, departing, hosts }
    }

    pub fn hosts(&self) -> impl Iterator<Item = &HostSituation<'a>> {
        self.hosts.iter()
    }

    pub fn of_role(&self, role: Role) -> &[HostSituation<'a>] {
        let (control_planes, workers) = self.hosts.split_at(self.spec.control_plane.len());
        match role {
            Role::ControlPlane => control_planes,
            Role::Worker => workers,
        }
    }

    pub fn control_planes(&self) -> &[HostSituation<'a>] {
        self.of_role(Role::ControlPlane)
    }

    pub fn host(&self, name: &str) -> Option<&HostSituation<'a>> {
        let find = |hosts: &'_ [HostSituation<'a>]| hosts.binary_search_by_key(&name, |host| host.name).ok();
        let (control_planes, workers) = (self.control_planes(), self.of_role(Role::Worker));
        find(control_planes).map(|at| &control_planes[at]).or_else(|| find(workers).map(|at| &workers[at]))
    }

    /// Finished control planes that were reached, by name.
    pub fn finished_control_planes(&self) -> impl Iterator<Item = (&HostSituation<'a>, &'a HostFacts)> {
        let finished = self.control_planes().iter().filter(|host| host.is_finished());
        finished.filter_map(|host| Some((host, host.facts?)))
    }

    /// Whether a departing machine was a finished node, which means that the cluster exists.
    pub fn finished_departs(&self) -> bool {
        self.departing.iter().any(|it| it.standing == Standing::Finished)
    }

    /// The observation without the Nodes of departing machines; `None` if there are none.
    fn without_departing_nodes(&self) -> Option<Observed> {
        let gone: Vec<&str> = self.departing.iter().filter(|it| it.has_node).map(|it| it.name).collect();
        if gone.is_empty() {
            return None;
        }
        let mut observed = self.observed.clone();
        if let ApiState::Answered(api) = &mut observed.api {
            api.nodes.retain(|name, _| !gone.contains(&name.as_str()));
        }
        Some(observed)
    }
}

/// Judges once with all machines, and once without the Nodes of departing machines, which the settings do not contain.
pub(crate) fn judge<T>(
    wanted: &Wanted,
    observed: &Observed,
    then: impl FnOnce(&Situation<'_>, &Situation<'_>) -> T,
) -> T {
    let all = Situation::new(wanted, observed);
    match all.without_departing_nodes() {
        None => then(&all, &all),
        Some(observed) => then(&all, &Situation::new(wanted, &observed)),
    }
}

impl<'a> HostSituation<'a> {
    /// Each fact follows from those before it.
    fn new(
        evidence: &Evidence<'a>,
        departing: &[DepartingNode<'a>],
        (name, role, spec): (&'a str, Role, &'a HostSpec),
        standing: Standing<'a>,
    ) -> Self {
        let observed = evidence.observed;
        let facts = observed.facts(name);
        let node = observed.api_facts().and_then(|api| api.nodes.get(name));
        let mut host = Self {
            name,
            role,
            spec,
            facts,
            node,
            standing,
            was_reset: was_reset(standing, facts),
            is_abandoned: false,
            lost_member: false,
            lost_node: false,
            progress: Progress::Done,
        };
        if role == Role::ControlPlane && host.is_finished() {
            host.is_abandoned = facts.is_some_and(|facts| is_earlier(recorded(facts), evidence.last_restore));
            // A renamed machine has neither a Node nor a member under its new name yet.
            let is_renamed = departing.iter().any(|it| it.replacement == Some(name));
            host.lost_member = !is_renamed && repair::lost_its_member(evidence, &host);
            host.lost_node = !is_renamed && !host.lost_member && host.node.is_none() && observed.api_facts().is_some();
        }
        host.progress = versions::progress(evidence, &host);
        host
    }

    pub fn is_finished(&self) -> bool {
        self.standing == Standing::Finished
    }

    /// A node of the cluster, with or without a marker.
    pub fn is_ours(&self) -> bool {
        matches!(self.standing, Standing::Finished | Standing::Adoptable)
    }

    /// A node of the cluster that does not have to join. An unreachable host with a Node counts, too.
    pub fn is_node(&self) -> bool {
        (self.is_ours() || matches!(self.standing, Standing::Unreachable { .. })) && self.node.is_some()
    }

    /// A node that is temporarily out of the cluster: it was stopped for a restore, must join again, or was reset.
    pub fn stands_aside(&self) -> bool {
        let is_stopped = self.facts.is_some_and(|facts| facts.restore.is_some());
        is_stopped || self.is_abandoned || self.was_reset || self.lost_member
    }
}
