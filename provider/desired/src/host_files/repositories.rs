//! Where packages come from.

use kubeone_facts::{HostFacts, OperatingSystem};
use kubeone_spec::{ClusterSpec, KubernetesVersion};

use super::is_adopted;

pub(super) const SOURCES: &str = "/etc/apt/sources.list.d/kubeone.sources";

/// The primary key of the repositories at pkgs.k8s.io: `isv:kubernetes OBS Project`, of the Open Build Service that makes
/// the packages. kubernetes/kubernetes#128609 shows it as gpg prints it. It is prolonged under the same fingerprint; in its
/// form of 2024 it ends on 2026-12-29.
const KUBERNETES_FINGERPRINTS: [&str; 1] = ["DE15B14486CD377B9E876E1A234654DA9A296436"];
/// The primary key of the repositories at download.docker.com for Debian and Ubuntu: `Docker Release (CE deb)`, without an
/// end. Docker's own guides for these systems stated it until 2020; docker/docs#11990 shows the passage.
const DOCKER_FINGERPRINTS: [&str; 1] = ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"];

/// A key that signs a package repository.
pub struct SigningKey {
    pub path: &'static str,
    pub url: String,
    /// Of the primary keys that it may be. One that signs the other repository is none of them.
    pub fingerprints: Vec<String>,
}

impl SigningKey {
    fn new(path: &'static str, url: String, known: &[&str], spec: &ClusterSpec) -> Self {
        let known = known.iter().map(|fingerprint| (*fingerprint).to_owned());
        Self { path, url, fingerprints: known.chain(spec.packages.fingerprints()).collect() }
    }
}

impl std::fmt::Display for SigningKey {
    /// As `install_packages.sh` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.path, self.url, self.fingerprints.join(","))
    }
}

const KUBERNETES_KEY: &str = "/etc/apt/keyrings/kubeone-kubernetes.asc";
const DOCKER_KEY: &str = "/etc/apt/keyrings/kubeone-docker.asc";

/// apt's sources for Kubernetes alone, where containerd is somebody else's.
pub(super) fn kubernetes_sources(version: KubernetesVersion) -> String {
    let kubernetes = kubernetes_repository(version);
    format!("Types: deb\nURIs: {kubernetes}\nSuites: /\nSigned-By: {KUBERNETES_KEY}\n")
}

/// apt's sources for Kubernetes and containerd; `None` on a system that we do not know.
pub(super) fn sources(version: KubernetesVersion, os: &OperatingSystem) -> Option<String> {
    let (kubernetes, docker) = (kubernetes_sources(version), docker_repository(os)?);
    let codename = &os.version_codename;
    Some(format!(
        "{kubernetes}\n\
         Types: deb\nURIs: {docker}\nSuites: {codename}\nComponents: stable\nSigned-By: {DOCKER_KEY}\n"
    ))
}

/// Files with keys, whatever the sources are.
pub const KEYS: [&str; 2] = [KUBERNETES_KEY, DOCKER_KEY];

/// The keys that the sources of this version name.
pub fn signing_keys(spec: &ClusterSpec, version: KubernetesVersion, facts: &HostFacts) -> Vec<SigningKey> {
    let url = format!("{}Release.key", kubernetes_repository(version));
    let mut keys = vec![SigningKey::new(KUBERNETES_KEY, url, &KUBERNETES_FINGERPRINTS, spec)];
    if !is_adopted(facts)
        && let Some(url) = docker_repository(&facts.os)
    {
        keys.push(SigningKey::new(DOCKER_KEY, format!("{url}/gpg"), &DOCKER_FINGERPRINTS, spec));
    }
    keys
}

fn kubernetes_repository(version: KubernetesVersion) -> String {
    format!("https://pkgs.k8s.io/core:/stable:/v{}/deb/", version.minor_release())
}

/// Docker names its repositories as we name the folders of scripts: after the system that others are like.
fn docker_repository(os: &OperatingSystem) -> Option<String> {
    os.scripts.as_ref().map(|id| format!("https://download.docker.com/linux/{id}"))
}
