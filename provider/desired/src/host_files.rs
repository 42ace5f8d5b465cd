//! The files a host must hold before Kubernetes comes to it: a pure function of settings and facts.

pub mod containerd;
mod repositories;

use std::collections::BTreeMap;

use kubeone_facts::{CgroupVersion, HostFacts, Marker};
use kubeone_spec::ClusterSpec;
pub use repositories::{KEYS, signing_keys};

use crate::catalog;
use crate::control_plane::sha256;

/// Where kubeadm finds the kubelet settings of this one host. It stays, for later upgrades need it too.
pub const PATCHES_DIRECTORY: &str = "/etc/kubeone/patches";
const KUBELET_PATCH: &str = "/etc/kubeone/patches/kubeletconfiguration+merge.yaml";
const KERNEL_MODULES: &str = "/etc/modules-load.d/kubeone.conf";
const KERNEL_SETTINGS: &str = "/etc/sysctl.d/99-kubeone.conf";

/// Files that are written or removed by us, whatever the settings are.
pub const MANAGED_FILES: [&str; 5] =
    [KERNEL_MODULES, KERNEL_SETTINGS, containerd::CONFIG, repositories::SOURCES, KUBELET_PATCH];

/// Files that are there before us on a host with containerd, and that ours take the place of.
pub const ORIGINALS: [&str; 1] = [containerd::CONFIG];

/// Paths and SHA-256 of the files that must be on this host.
pub fn expected_files(spec: &ClusterSpec, facts: &HostFacts) -> BTreeMap<String, String> {
    files(spec, facts).iter().map(|(path, content)| ((*path).to_owned(), sha256(content))).collect()
}

/// Paths and contents of the files that must be on this host. How an adopted host is set up is not our business; it gets
/// what Kubernetes is upgraded with.
pub fn files(spec: &ClusterSpec, facts: &HostFacts) -> BTreeMap<&'static str, String> {
    let mut files = if is_adopted(facts) {
        BTreeMap::from([(repositories::SOURCES, repositories::kubernetes_sources(spec.kubernetes_version))])
    } else {
        files_of_prepared_host(spec, facts)
    };
    if has_patches(facts) {
        files.insert(KUBELET_PATCH, "failCgroupV1: false\n".to_owned());
    }
    files
}

/// The marker of a host whose own one is damaged. A host without any of our files was adopted.
pub fn rewritten_marker(spec: &ClusterSpec, facts: &HostFacts) -> Marker {
    let is_adopted = MANAGED_FILES.into_iter().all(|path| !facts.files.contains_key(path));
    Marker::rewritten(spec, facts, is_adopted)
}

/// Whether the host was a node before it was ours.
pub fn is_adopted(facts: &HostFacts) -> bool {
    facts.marker.as_ref().is_some_and(|marker| marker.adopted)
}

fn files_of_prepared_host(spec: &ClusterSpec, facts: &HostFacts) -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::from([
        (KERNEL_MODULES, "overlay\nbr_netfilter\n".to_owned()),
        (KERNEL_SETTINGS, kernel_settings(spec)),
    ]);
    if let Some(release) = catalog::release(spec.kubernetes_version) {
        files.insert(containerd::CONFIG, containerd::config(&release.pause));
    }
    if let Some(sources) = repositories::sources(spec.kubernetes_version, &facts.os) {
        files.insert(repositories::SOURCES, sources);
    }
    files
}

/// Path and content of the file that says where packages come from.
pub fn package_sources(spec: &ClusterSpec, facts: &HostFacts) -> Option<(&'static str, String)> {
    files(spec, facts).remove_entry(repositories::SOURCES)
}

/// Whether the kubelet of this host has settings of its own.
pub fn has_patches(facts: &HostFacts) -> bool {
    facts.cgroup == CgroupVersion::V1
}

/// Where kubeadm finds patches for this host, as its scripts take it: empty without any.
pub fn patches_directory(facts: &HostFacts) -> &'static str {
    if has_patches(facts) { PATCHES_DIRECTORY } else { "" }
}

/// What pod networks need: packets that cross a bridge are seen by iptables, and the host forwards them.
fn kernel_settings(spec: &ClusterSpec) -> String {
    let mut settings = "net.bridge.bridge-nf-call-iptables = 1\n\
                        net.bridge.bridge-nf-call-ip6tables = 1\n\
                        net.ipv4.ip_forward = 1\n"
        .to_owned();
    if spec.cluster_network.pod_subnet.0.addr().is_ipv6() {
        settings.push_str("net.ipv6.conf.all.forwarding = 1\n");
    }
    settings
}

#[cfg(test)]
#[path = "host_files/tests.rs"]
mod tests;
