//! Which versions of Kubernetes run, and whether there is a way from them to the wanted one.

use kubeone_facts::HostFacts;
use kubeone_spec::{KubernetesVersion, Role};

use crate::evidence::Evidence;
use crate::situation::{HostSituation, Situation};
use crate::standing::Standing;
use crate::wanted::Wanted;

/// The components of a control plane that have the version of Kubernetes.
pub const COMPONENTS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// How the control planes stand to the wanted version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradePath {
    /// They run it, or what they run is not known.
    UpToDate,
    Upgrade,
    /// They run a newer one. `begun`: some of them, as an upgrade began.
    Downgrade {
        newest: KubernetesVersion,
        begun: bool,
    },
    /// There is a minor release between.
    SkipsMinor {
        oldest: KubernetesVersion,
    },
}

/// The oldest and the newest version among the API servers.
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

/// Version of a static pod on this host, by its image.
pub fn component(facts: &HostFacts, name: &str) -> Option<KubernetesVersion> {
    tag(facts.kubernetes.images.get(name)?)?.parse().ok()
}

/// The tag of an image, without a digest behind it.
fn tag(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    name.rsplit('/').next()?.split_once(':').map(|(_, tag)| tag)
}

/// How far a node is on the way to the wanted version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    NotBegun,
    /// An upgrade of it was cut off.
    HalfDone,
    Done,
}

/// How far a node of the cluster is. What is not known counts as done; so does a host that is no finished node.
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
            // One that was stopped for a restore gets its etcd back first, or joins again like one that missed it.
            if facts.restore.is_some() || host.is_abandoned {
                return Progress::Done;
            }
            versions.push(facts.packages.kubelet.parse().ok());
            // Without a record it has begun, though nothing may be new yet. The packages may be new, and even run after a
            // reboot, before kubeadm has done its part.
            unfinished = facts.unrecorded && !facts.configured.begun && host.is_finished();
            interrupted |= unfinished;
            if host.role == Role::ControlPlane {
                unfinished |= kubeadm_configuration_is_old(evidence);
                let components = COMPONENTS.map(|name| component(facts, name));
                // A manifest that is not there is held while components are exchanged.
                let known = components.iter().any(Option::is_some);
                interrupted |= known && components.contains(&None);
                versions.extend(components);
            }
        }
        // What it runs cannot be seen, but what its kubelet said is known.
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

/// Whether kubeadm's own configuration in the cluster is older than wanted. The first control plane that is upgraded brings
/// it there, so where one is new and this is not, kubeadm's part is still to be done.
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
