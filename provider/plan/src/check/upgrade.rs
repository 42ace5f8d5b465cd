//! Findings about the upgrade from the running version to the wanted one.

use std::collections::BTreeSet;

use kubeone_facts::ApiFacts;
use kubeone_spec::{ClusterSpec, FieldPath, Finding, KubernetesVersion, Role};

use super::host_path;
use crate::departing::DepartingNode;
use crate::plan::{Action, OnControlPlane, OnEtcd, Plan, upgrade_begins};
use crate::restore::wanted_restore;
use crate::situation::{HostSituation, Situation};
use crate::versions::{UpgradePath, api_servers, upgrade_path};

/// How many minor releases a kubelet may be older than the API server.
const KUBELET_SKEW: u16 = 3;

/// Space for packages and images of a release, beside the old ones, and for an etcd snapshot.
const DISK_NEEDED_MIB: u64 = 1000;
const DISK_COMFORTABLE_MIB: u64 = 3000;

/// `all` includes the departing machines; `situation` does not.
pub(super) fn findings(all: &Situation<'_>, situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(no_way(situation));
    if let Some(api) = situation.observed.api_facts() {
        findings.extend(kubelet_skew(situation, plan, api));
        if plan.actions().any(|action| action.effects().control_plane == OnControlPlane::Upgrades) {
            findings.extend(replacements(all, plan));
            findings.extend(disk(situation, plan));
        }
        if upgrade_begins(situation) && upgrade_path(situation) == UpgradePath::Upgrade {
            findings.extend(unready_nodes(situation));
            findings.extend(missing_members(situation));
            findings.extend(deprecated_apis(situation.spec, api));
        }
    }
    findings
}

fn version_path() -> FieldPath {
    FieldPath::root("kubernetes_version")
}

fn no_way(situation: &Situation<'_>) -> Option<Finding> {
    let target = situation.spec.kubernetes_version;
    match upgrade_path(situation) {
        UpgradePath::UpToDate | UpgradePath::Upgrade => None,
        UpgradePath::Downgrade { newest, begun: true } => Some(Finding::error(
            version_path(),
            format!("an upgrade to Kubernetes {newest} is in progress, so the cluster cannot stay at {target}"),
            match wanted_restore(situation) {
                None => format!(
                    "Control planes cannot be downgraded. Set `kubernetes_version` to `{newest}` to complete the upgrade."
                ),
                Some(_) => format!(
                    "Control planes cannot be downgraded. To restore data of {target}, replace the machines that run \
                     {newest} (another `instance_id`, old machines switched off)."
                ),
            },
        )),
        UpgradePath::Downgrade { newest, begun: false } => Some(Finding::error(
            version_path(),
            format!("the cluster runs Kubernetes {newest} and cannot be downgraded to {target}"),
            format!("Kubernetes does not support downgrades. Set `kubernetes_version` to `{newest}`."),
        )),
        UpgradePath::SkipsMinor { oldest } => Some(Finding::error(
            version_path(),
            format!("the cluster runs Kubernetes {oldest}, and {target} is more than one minor release away"),
            format!("Upgrade one minor release at a time, with an apply for each: {}.", path(oldest, target)),
        )),
    }
}

/// `1.34.2 → 1.35.x → 1.36.3`.
fn path(from: KubernetesVersion, to: KubernetesVersion) -> String {
    let between = (from.minor + 1..to.minor).map(|minor| format!("{}.{minor}.x", from.major));
    let mut path = vec![from.to_string()];
    path.extend(between);
    path.push(to.to_string());
    path.join(" → ")
}

/// A kubelet must match the running and the wanted API servers. One that is too new is accepted if the plan replaces it
/// or upgrades the API servers.
fn kubelet_skew(situation: &Situation<'_>, plan: &Plan, api: &ApiFacts) -> Vec<Finding> {
    let Some((_, newest)) = api_servers(situation) else { return Vec::new() };
    let ahead = newest.max(situation.spec.kubernetes_version);
    let kubelets = api.nodes.iter().filter_map(|(name, node)| {
        let kubelet = node.kubelet_version.parse::<KubernetesVersion>().ok()?;
        Some((name, node, kubelet))
    });
    let apart = kubelets.filter_map(|(name, node, kubelet)| {
        let is_prepared = |action: &Action| matches!(action, Action::PrepareHost { host, .. } if host == name);
        let server = if (kubelet.major, kubelet.minor) > (newest.major, newest.minor) {
            if kubelet <= ahead || plan.actions().any(is_prepared) {
                return None;
            }
            newest
        } else if kubelet.minor + KUBELET_SKEW < ahead.minor {
            ahead
        } else {
            return None;
        };
        Some((name, node, kubelet, server))
    });
    apart
        .map(|(name, node, kubelet, server)| {
            let role = if node.control_plane { Role::ControlPlane } else { Role::Worker };
            Finding::error(
                host_path(role, name),
                format!("the kubelet of {name} has version {kubelet}, too far from the API server's {server}"),
                format!(
                    "A kubelet may be up to {KUBELET_SKEW} minor releases older than the API server, but not newer."
                ),
            )
        })
        .collect()
}

/// Replacing a control plane needs all others, and so does upgrading one.
fn replacements(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let joins = plan.actions().any(|action| action.effects().etcd == OnEtcd::Joins);
    // Under a new name, too: the old one leaves before the upgrade, and the new one joins after it.
    let is_replaced = |it: &DepartingNode| it.replacement.is_some() || joins && it.needs_removal();
    let replaced = situation.departing.iter().filter(|it| it.role == Role::ControlPlane && is_replaced(it));
    replaced
        .map(|node| {
            let name = node.name;
            Finding::error(
                host_path(Role::ControlPlane, name),
                format!("{name} would be replaced and the cluster upgraded at the same time"),
                "Do one at a time: keep `kubernetes_version` and apply the new machine, then change the version.",
            )
            .derived_from(version_path())
        })
        .collect()
}

fn disk(situation: &Situation<'_>, plan: &Plan) -> Vec<Finding> {
    let fetches: BTreeSet<_> = plan
        .actions()
        .filter(|action| matches!(action, Action::FetchUpgrade { .. }))
        .filter_map(Action::host)
        .collect();
    let hosts = situation.hosts().filter(|host| fetches.contains(host.name));
    // 0 means unknown.
    let free = hosts.filter_map(|host| Some((host, host.facts?.free_disk_mib)).filter(|(_, free)| *free > 0));
    free.filter_map(|(host, free)| {
        let path = host_path(host.role, host.name);
        let summary = format!("{} has {free} MiB of free disk space", host.name);
        let detail = "The packages and images of the new version are stored beside the old ones.";
        if free < DISK_NEEDED_MIB {
            Some(Finding::error(path, summary, format!("{detail} They need at least {DISK_NEEDED_MIB} MiB.")))
        } else if free < DISK_COMFORTABLE_MIB {
            Some(Finding::warning(
                path,
                summary,
                format!("{detail} At least {DISK_COMFORTABLE_MIB} MiB are recommended."),
            ))
        } else {
            None
        }
    })
    .collect()
}

fn unready_nodes(situation: &Situation<'_>) -> Vec<Finding> {
    let unready = situation.hosts().filter(|host| host.node.is_some_and(|node| !node.ready));
    unready
        .map(|host| {
            let (name, role) = (host.name, host.role);
            let summary = format!("the node {name} is not ready before the upgrade");
            match role {
                Role::ControlPlane => Finding::error(
                    host_path(role, name),
                    summary,
                    "While one control plane is upgraded, the cluster depends on the others. Repair this one first.",
                ),
                Role::Worker => Finding::warning(
                    host_path(role, name),
                    summary,
                    "It is upgraded anyway, and its upgrade completes only once it is ready.",
                ),
            }
        })
        .collect()
}

/// etcd must be complete, because one member is unavailable while its host is upgraded.
fn missing_members(situation: &Situation<'_>) -> Vec<Finding> {
    let members = situation.evidence.members;
    if members.is_empty() {
        return Vec::new();
    }
    let votes = |name: &str| members.iter().any(|member| member.name == name && !member.learner);
    let is_silent = |host: &HostSituation<'_>| host.facts.is_none_or(|facts| facts.etcd_members.is_empty());
    let nodes = situation.control_planes().iter().filter(|host| host.node.is_some());
    nodes
        .filter_map(|host| {
            let name = host.name;
            let summary = match (votes(name), is_silent(host)) {
                (true, false) => return None,
                (true, true) => format!("the etcd member on {name} does not respond"),
                (false, _) => format!("etcd has no voting member on {name}"),
            };
            Some(Finding::error(
                host_path(Role::ControlPlane, name),
                summary,
                "While one control plane is upgraded, the members on the others must form a majority. Repair etcd first.",
            ))
        })
        .collect()
}

fn deprecated_apis(spec: &ClusterSpec, api: &ApiFacts) -> Vec<Finding> {
    let wanted = spec.kubernetes_version;
    let is_gone = |release: &str| {
        let minor = release.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        minor.is_some_and(|minor: (u16, u16)| minor <= (wanted.major, wanted.minor))
    };
    let gone = api.deprecated_apis.iter().filter(|api| is_gone(&api.removed_release));
    gone.map(|api| {
        Finding::warning(
            version_path(),
            format!("clients still use `{}` of {}", api.resource, api.group_version),
            format!(
                "Kubernetes {} and later do not serve it. The API server's audit log shows which clients request it.",
                api.removed_release
            ),
        )
    })
    .collect()
}
