//! Which Kubernetes versions run, and whether the wanted one can be reached from them.

use kubeone_facts::HostFacts;
use kubeone_spec::{KubernetesVersion, Role};

use crate::evidence::Evidence;
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::wanted::Wanted;

/// The control plane components that have the Kubernetes version.
pub const COMPONENTS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// How the control planes get to the wanted version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradePath {
    /// They run it, or their version is unknown.
    UpToDate,
    Upgrade,
    /// They run a newer version. `begun`: only some of them, because an upgrade to it was interrupted.
    Downgrade {
        newest: KubernetesVersion,
        begun: bool,
    },
    /// Minor releases are skipped.
    SkipsMinor {
        oldest: KubernetesVersion,
    },
}

/// The oldest and the newest version of the API servers.
pub(crate) fn api_servers(situation: &Situation<'_>) -> Option<(KubernetesVersion, KubernetesVersion)> {
    let ours = situation.control_planes().iter().filter(|host| host.is_ours());
    let images = ours.filter_map(|host| component(host.facts?, "kube-apiserver"));
    let answering = situation.observed.api_facts().and_then(|api| api.version.parse().ok());
    let versions: Vec<_> = images.chain(answering).collect();
    Some((*versions.iter().min()?, *versions.iter().max()?))
}

pub(crate) fn upgrade_path(situation: &Situation<'_>) -> UpgradePath {
    let target = situation.spec.kubernetes_version;
    let Some((oldest, newest)) = api_servers(situation) else { return UpgradePath::UpToDate };
    if newest > target {
        UpgradePath::Downgrade { newest, begun: oldest <= target && oldest < newest }
    } else if (oldest.major, oldest.minor + 1) < (target.major, target.minor) {
        UpgradePath::SkipsMinor { oldest }
    } else if oldest < target {
        UpgradePath::Upgrade
    } else {
        UpgradePath::UpToDate
    }
}

/// The version of a static pod on this host, from its image.
pub fn component(facts: &HostFacts, name: &str) -> Option<KubernetesVersion> {
    tag(facts.kubernetes.images.get(name)?)?.parse().ok()
}

/// The tag of an image, without a digest.
fn tag(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    name.rsplit('/').next()?.split_once(':').map(|(_, tag)| tag)
}

/// How far the upgrade of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    NotBegun,
    /// It was interrupted.
    HalfDone,
    Done,
}

/// How far the upgrade of a node is. An unknown version counts as done, and so does a host that is not a finished node.
pub(crate) fn progress(evidence: &Evidence<'_>, host: &HostSituation<'_>) -> Progress {
    let Some(node) = host.node else { return Progress::Done };
    let target = evidence.wanted.spec.kubernetes_version;
    let is_old = |version: Option<KubernetesVersion>| version.is_some_and(|version| version < target);
    let is_new = |version: Option<KubernetesVersion>| version == Some(target);
    let mut versions = vec![node.kubelet_version.parse().ok()];
    let mut interrupted = node.cordoned_by_us;
    let mut unfinished = false;
    match host.standing {
        Standing::Finished | Standing::Adoptable => {
            let Some(facts) = host.facts else { return Progress::Done };
            // A host that was stopped for a restore is restored first, or joins again.
            if facts.restore.is_some() || host.is_abandoned {
                return Progress::Done;
            }
            versions.push(facts.packages.kubelet.parse().ok());
            // A missing record means that the upgrade was interrupted, even if all versions are old. They may also be
            // new before kubeadm has done its part, because a reboot starts the new kubelet.
            unfinished = facts.unrecorded && !facts.configured.begun && host.is_finished();
            interrupted |= unfinished;
            if host.role == Role::ControlPlane {
                unfinished |= kubeadm_configuration_is_old(evidence);
                let components = COMPONENTS.map(|name| component(facts, name));
                // A missing manifest is kept aside while its component is replaced.
                let known = components.iter().any(Option::is_some);
                interrupted |= known && components.contains(&None);
                versions.extend(components);
            }
        }
        // Its components are unknown, but the kubelet version is in the API.
        Standing::Unreachable { .. } if host.role == Role::ControlPlane => {}
        _ => return Progress::Done,
    }
    let (old, new) = (versions.iter().copied().any(is_old), versions.iter().copied().any(is_new));
    match (old, new || interrupted) {
        (true, false) => Progress::NotBegun,
        (true, true) => Progress::HalfDone,
        (false, _) if unfinished => Progress::HalfDone,
        (false, _) => Progress::Done,
    }
}

/// Whether kube-proxy is older than wanted.
pub(crate) fn kubeadm_addons_are_old(situation: &Situation<'_>) -> bool {
    situation.observed.api_facts().is_some_and(|api| is_older(&api.kube_proxy_version, situation.wanted))
}

/// Whether kubeadm's configuration in the cluster is older than wanted. The first upgraded control plane writes it, so
/// if it is old on a new control plane, kubeadm's part is not done.
fn kubeadm_configuration_is_old(evidence: &Evidence<'_>) -> bool {
    evidence.observed.api_facts().is_some_and(|api| is_older(&api.kubeadm_version, evidence.wanted))
}

fn is_older(version: &str, wanted: &Wanted) -> bool {
    version.parse().is_ok_and(|version: KubernetesVersion| version < wanted.spec.kubernetes_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_image_is_its_version() {
        let mut facts = HostFacts::default();
        for (image, version) in [
            ("registry.k8s.io/kube-apiserver:v1.36.3", Some(KubernetesVersion::new(1, 36, 3))),
            ("localhost:5000/kube-apiserver:v1.35.4@sha256:ab", Some(KubernetesVersion::new(1, 35, 4))),
            ("localhost:5000/kube-apiserver", None),
            ("kube-apiserver:custom", None),
        ] {
            facts.kubernetes.images.insert("kube-apiserver".to_owned(), image.to_owned());
            assert_eq!(component(&facts, "kube-apiserver"), version, "{image}");
        }
    }
}
