//! Whether a cluster is healthy, and if not, why: pure, from what was seen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kubeone_desired::addons;
use kubeone_facts::{ApiState, EtcdMember, HostState, MarkerFile, NodeFacts, Observed};
use kubeone_plan::etcd::is_member_of;
use kubeone_plan::renewal::KUBELET_SERVING_CERTIFICATE;
use kubeone_spec::{
    ApiServerHealth, ClusterHealth, ClusterStatusSpec, Cni, EtcdMemberHealth, HealthConditions, NodeHealth,
};

use super::probe::ControlPlane;

/// By the name of the host; one that could not be asked is absent.
type ControlPlanes = BTreeMap<String, ControlPlane>;

pub(super) fn judge(
    query: &ClusterStatusSpec,
    observed: &Observed,
    control_planes: &ControlPlanes,
    now: Timestamp,
) -> ClusterHealth {
    let members = etcd_members(query, observed, control_planes);
    let etcd = etcd_reasons(query, &members);
    let hosts = host_reasons(query, observed);
    let api = api_reasons(query, observed, control_planes);
    let nodes = node_reasons(query, observed);
    let certificates = certificate_reasons(query, observed, now);
    let addons = addon_reasons(observed);
    let answered = observed.api_facts();
    let all: BTreeMap<_, _> = observed
        .hosts
        .keys()
        .filter_map(|name| Some((name.clone(), observed.facts(name)?.certificates.clone())))
        .collect();
    let conditions = HealthConditions {
        hosts_reachable: hosts.is_empty(),
        api_ready: api.is_empty(),
        etcd_quorum: has_quorum(&members),
        etcd_healthy: etcd.is_empty(),
        nodes_ready: answered.is_some() && nodes.is_empty(),
        certificates_valid: hosts.is_empty() && certificates.is_empty(),
        addons_ready: answered.is_some() && addons.is_empty(),
    };
    let reasons = [hosts, api, etcd, nodes, certificates, addons].concat();
    ClusterHealth {
        healthy: reasons.is_empty(),
        reasons,
        conditions,
        id: answered.map(|api| api.cluster_uid.clone()),
        api_version: answered.map(|api| api.version.clone()).filter(|version| !version.is_empty()),
        api_servers: api_servers(query, control_planes),
        nodes: nodes_seen(observed),
        etcd_members: members,
        certificates_expire_at: all.values().flat_map(verified).map(|(_, end)| end).min().cloned(),
        certificates: all,
        addons: answered.into_iter().flat_map(|api| &api.addons).map(|(name, it)| (name.clone(), it.ready)).collect(),
    }
}

fn host_reasons(query: &ClusterStatusSpec, observed: &Observed) -> Vec<String> {
    let reason = |name: &str| match observed.hosts.get(name) {
        None => Some(format!("{name} was not looked at")),
        Some(HostState::Unreachable { reason } | HostState::Refuses { reason }) => {
            Some(format!("{name} cannot be reached: {reason}"))
        }
        Some(HostState::Reached(facts)) => match &facts.marker {
            MarkerFile::Absent => Some(format!("{name} carries no cluster of this provider")),
            MarkerFile::Unusable { reason } => Some(format!("the marker of {name} is damaged: {reason}")),
            MarkerFile::Good(marker) if marker.cluster != query.cluster.name => {
                Some(format!("{name} belongs to the cluster `{}`", marker.cluster))
            }
            MarkerFile::Good(marker)
                if marker.uid.is_some() && query.cluster.id.is_some() && marker.uid != query.cluster.id =>
            {
                Some(format!("{name} belongs to another cluster of the same name"))
            }
            MarkerFile::Good(marker) if marker.uid.is_none() => Some(format!("{name} has not become a node yet")),
            MarkerFile::Good(_) => None,
        },
    };
    query.cluster.hosts().filter_map(|(name, ..)| reason(name)).collect()
}

fn api_reasons(query: &ClusterStatusSpec, observed: &Observed, control_planes: &ControlPlanes) -> Vec<String> {
    let mut reasons = match &observed.api {
        ApiState::Absent => vec!["no control plane that can be reached carries a Kubernetes API".to_owned()],
        ApiState::Silent { reason } => vec![format!("the Kubernetes API does not answer: {reason}")],
        ApiState::Answered(facts) => {
            let cni = if facts.addons.contains_key("canal") { Cni::Canal } else { Cni::None };
            let missing = facts.missing.iter().filter(|object| !addons::may_be_missing(cni, object));
            missing.map(|object| format!("{object} is missing")).collect()
        }
    };
    // A host that cannot be reached is a reason of its own.
    let asked =
        query.cluster.control_plane.keys().filter(|name| control_planes.get(*name).is_some_and(|it| !it.api_ready));
    reasons.extend(asked.map(|name| format!("the API server on {name} is not ready")));
    reasons
}

fn api_servers(query: &ClusterStatusSpec, control_planes: &ControlPlanes) -> BTreeMap<String, ApiServerHealth> {
    let health = |name: &String| {
        let seen = control_planes.get(name).cloned().unwrap_or_default();
        (name.clone(), ApiServerHealth { ready: seen.api_ready, version: seen.api_version })
    };
    query.cluster.control_plane.keys().map(health).collect()
}

/// The members as a healthy control plane lists them, else any; with what each says of itself. A member that belongs to no control
/// plane has its own name or, before its first start, its id.
fn etcd_members(
    query: &ClusterStatusSpec,
    observed: &Observed,
    control_planes: &ControlPlanes,
) -> BTreeMap<String, EtcdMemberHealth> {
    let names = query.cluster.control_plane.keys();
    let lists = names.filter_map(|name| Some((name, &observed.facts(name)?.etcd_members)));
    let mut lists: Vec<_> = lists.filter(|(_, members)| !members.is_empty()).collect();
    lists.sort_by_key(|(name, _)| !control_planes.get(*name).is_some_and(|it| it.etcd_healthy));
    let health = |member: &EtcdMember| {
        let mut hosts = query.cluster.control_plane.iter();
        let host = hosts.find(|(name, host)| is_member_of(member, name, host)).map(|(name, _)| name);
        let seen = host.and_then(|name| control_planes.get(name));
        // The member that answers there may be another one than is listed: a host that was put in the place of an old one.
        let seen = seen.filter(|seen| seen.etcd.as_ref().is_none_or(|status| status.member == member.id));
        let status = seen.and_then(|seen| seen.etcd.as_ref());
        let name = host.unwrap_or(if member.name.is_empty() { &member.id } else { &member.name });
        let health = EtcdMemberHealth {
            id: member.id.clone(),
            voter: !member.learner,
            healthy: seen.is_some_and(|seen| seen.etcd_healthy),
            leader: status.is_some_and(|status| status.leader == member.id),
            version: status.map(|status| status.version.clone()),
        };
        (name.clone(), health)
    };
    lists.first().map(|(_, members)| members.iter().map(health).collect()).unwrap_or_default()
}

fn voters(members: &BTreeMap<String, EtcdMemberHealth>) -> (usize, usize) {
    let voters = members.values().filter(|member| member.voter);
    voters.fold((0, 0), |(all, healthy), member| (all + 1, healthy + usize::from(member.healthy)))
}

fn has_quorum(members: &BTreeMap<String, EtcdMemberHealth>) -> bool {
    let (all, healthy) = voters(members);
    healthy > all / 2
}

fn etcd_reasons(query: &ClusterStatusSpec, members: &BTreeMap<String, EtcdMemberHealth>) -> Vec<String> {
    let (all, healthy) = voters(members);
    if all == 0 {
        return vec!["no member of etcd answers".to_owned()];
    }
    let mut reasons = Vec::new();
    if healthy <= all / 2 {
        reasons.push(format!("etcd has no quorum: {healthy} of {all} members are healthy"));
    } else if healthy < all && healthy == all / 2 + 1 {
        reasons.push(format!("etcd loses its quorum with the next member: {healthy} of {all} members are healthy"));
    }
    for (name, member) in members {
        if !query.cluster.control_plane.contains_key(name) {
            reasons.push(format!("the etcd member {name} belongs to no control plane"));
        } else if !member.healthy {
            reasons.push(format!("the etcd member on {name} is not healthy"));
        } else if !member.voter {
            reasons.push(format!("the etcd member on {name} has no vote yet"));
        }
    }
    let missing = query.cluster.control_plane.keys().filter(|name| !members.contains_key(*name));
    reasons.extend(missing.map(|name| format!("{name} has no member in etcd")));
    reasons
}

fn node_reasons(query: &ClusterStatusSpec, observed: &Observed) -> Vec<String> {
    let Some(api) = observed.api_facts() else { return Vec::new() };
    let wanted = query.cluster.kubernetes_version;
    let reason = |name: &str| match api.nodes.get(name) {
        None => Some(format!("the cluster has no node {name}")),
        Some(node) if !node.ready => Some(format!("the node {name} is not ready")),
        Some(node) if node.kubelet_version.parse() != Ok(wanted) => {
            Some(format!("the kubelet of {name} is {} instead of {wanted}", node.kubelet_version))
        }
        Some(_) => None,
    };
    query.cluster.hosts().filter_map(|(name, ..)| reason(name)).collect()
}

fn nodes_seen(observed: &Observed) -> BTreeMap<String, NodeHealth> {
    let nodes = observed.api_facts().into_iter().flat_map(|api| &api.nodes);
    let health = |(name, node): (&String, &NodeFacts)| {
        let role = if node.control_plane { "control_plane" } else { "worker" };
        let health = NodeHealth {
            role: role.to_owned(),
            ready: node.ready,
            schedulable: !node.unschedulable,
            kubelet_version: node.kubelet_version.clone(),
        };
        (name.clone(), health)
    };
    nodes.map(health).collect()
}

/// Certificates that somebody verifies, and when they end.
fn verified(certificates: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    certificates.iter().filter(|(path, _)| *path != KUBELET_SERVING_CERTIFICATE)
}

/// One reason for each host, with the certificates from the first that ends.
fn certificate_reasons(query: &ClusterStatusSpec, observed: &Observed, now: Timestamp) -> Vec<String> {
    let limit = now + query.certificates_valid_for.0;
    let reason = |name: &str| {
        let ends = verified(&observed.facts(name)?.certificates);
        let mut soon: Vec<_> = ends.filter(|(_, end)| end.parse().is_ok_and(|end: Timestamp| end < limit)).collect();
        soon.sort_by_key(|(path, end)| (*end, *path));
        let (path, end) = soon.first()?;
        let verb = if end.parse().is_ok_and(|end: Timestamp| end < now) { "ended" } else { "ends" };
        let more = match soon.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more within {}", query.certificates_valid_for),
        };
        Some(format!("the certificate {path} on {name} {verb} at {end}{more}"))
    };
    query.cluster.hosts().filter_map(|(name, ..)| reason(name)).collect()
}

fn addon_reasons(observed: &Observed) -> Vec<String> {
    let addons = observed.api_facts().into_iter().flat_map(|api| &api.addons);
    addons
        .filter(|(_, addon)| !addon.ready)
        .map(|(name, _)| format!("the addon {name} does not run everywhere it should"))
        .collect()
}

#[cfg(test)]
mod tests;
