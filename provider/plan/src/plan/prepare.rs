//! Plans which hosts are prepared, and why hosts are prepared again.

use kubeone_desired::{catalog, host_files};
use kubeone_facts::HostFacts;
use kubeone_spec::{ClusterSpec, KubernetesVersion};

use super::Action;
use crate::repair::CONTAINERD;
use crate::runtime;
use crate::situation::HostSituation;
use crate::standing::Standing;
use crate::versions::Progress;

/// `None` if nothing has to be done or nothing may be done.
pub(super) fn preparation(spec: &ClusterSpec, host: &HostSituation<'_>) -> Option<Action> {
    let why = match host.standing {
        Standing::Foreign(_) | Standing::Damaged { .. } | Standing::Adoptable => return None,
        Standing::Unreachable { .. } if host.node.is_some() => return None,
        // The upgrade installs what belongs to the new version.
        Standing::Finished if host.progress != Progress::Done => return None,
        Standing::Begun if shortcomings(spec, host.facts?).is_empty() => return None,
        // No reason: the host is new.
        Standing::Unseen | Standing::Bare | Standing::Unreachable { .. } | Standing::Begun => Vec::new(),
        Standing::Finished => {
            let mut why = shortcomings(spec, host.facts?);
            if why.is_empty() {
                why.push(newer_kubelet(spec, host)?);
            }
            why
        }
    };
    let (name, role) = (host.name.to_owned(), host.role);
    Some(Action::PrepareHost { host: name, role, kubernetes_version: spec.kubernetes_version, why })
}

/// Differences in packages, container runtime, kernel settings and our files. The system setup of an adopted host is
/// not checked.
fn shortcomings(spec: &ClusterSpec, facts: &HostFacts) -> Vec<String> {
    if host_files::is_adopted(facts) {
        return Vec::new();
    }
    let mut why = packages(spec, facts);
    why.extend(facts.damaged.iter().map(|what| format!("{what} is damaged")));
    if !why.iter().any(|why| why.starts_with(CONTAINERD)) && !facts.containerd_active {
        why.push(format!("{CONTAINERD} is stopped"));
    }
    if facts.disabled_services.iter().any(|service| service == CONTAINERD) {
        why.push(format!("{CONTAINERD} is disabled"));
    }
    if facts.swap_active {
        why.push("swap is enabled".to_owned());
    }
    for (path, hash) in host_files::expected_files(spec, facts) {
        match facts.files.get(&path) {
            Some(present) if *present == hash => {}
            Some(_) => why.push(format!("{path} differs")),
            None => why.push(format!("{path} is missing")),
        }
    }
    why
}

/// Packages that do not have the version for this Kubernetes release.
fn packages(spec: &ClusterSpec, facts: &HostFacts) -> Vec<String> {
    let version = spec.kubernetes_version;
    let wanted = version.to_string();
    let packages = &facts.packages;
    let containerd = catalog::release(version).map(|release| runtime::installed_with_packages(spec, release, facts));
    let all = [
        ("kubelet", &packages.kubelet, packages.kubelet == wanted),
        ("kubeadm", &packages.kubeadm, packages.kubeadm == wanted),
        ("kubectl", &packages.kubectl, packages.kubectl == wanted),
        (
            CONTAINERD,
            &packages.containerd,
            containerd.is_some_and(|begin| format!("{}-", packages.containerd).starts_with(&begin)),
        ),
    ];
    all.into_iter()
        .filter(|(.., right)| !right)
        .map(|(name, version, _)| match version.as_str() {
            "" => format!("{name} is missing"),
            version => format!("{name} is {version}"),
        })
        .collect()
}

/// The installed package is right, but a newer kubelet is still running.
fn newer_kubelet(spec: &ClusterSpec, host: &HostSituation<'_>) -> Option<String> {
    let running = &host.node?.kubelet_version;
    let version: KubernetesVersion = running.parse().ok()?;
    (version > spec.kubernetes_version).then(|| format!("kubelet {version} is running"))
}
