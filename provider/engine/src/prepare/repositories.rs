//! Where packages come from.

use kubeone_spec::KubernetesVersion;

use crate::OperatingSystem;

pub(super) const SOURCES: &str = "/etc/apt/sources.list.d/kubeone.sources";

/// A key that signs a package repository.
pub(crate) struct SigningKey {
    pub path: &'static str,
    pub url: String,
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

/// The keys that the sources name.
pub(crate) fn signing_keys(version: KubernetesVersion, os: &OperatingSystem) -> Vec<SigningKey> {
    let kubernetes = SigningKey { path: KUBERNETES_KEY, url: format!("{}Release.key", kubernetes_repository(version)) };
    let docker = docker_repository(os).map(|url| SigningKey { path: DOCKER_KEY, url: format!("{url}/gpg") });
    docker.map(|docker| vec![kubernetes, docker]).unwrap_or_default()
}

fn kubernetes_repository(version: KubernetesVersion) -> String {
    format!("https://pkgs.k8s.io/core:/stable:/v{}/deb/", version.minor_release())
}

/// Docker names its repositories as we name the folders of scripts: after the system that others are like.
fn docker_repository(os: &OperatingSystem) -> Option<String> {
    os.scripts.as_ref().map(|id| format!("https://download.docker.com/linux/{id}"))
}
