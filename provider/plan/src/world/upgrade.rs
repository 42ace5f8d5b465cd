//! How upgrades change the simulated world, and states in which they must never run.

use kubeone_desired::control_plane::ControlPlane;
use kubeone_desired::host_files;
use kubeone_spec::{ContainerdVersion, KubernetesVersion, UpgradeDrain};

use super::{Extent, World, run_components};

/// The control plane components with manifests of kubeadm.
const STATIC_PODS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Images of the static pods of a control plane.
pub(super) fn images(version: KubernetesVersion) -> std::collections::BTreeMap<String, String> {
    let image = |name: &str| match name {
        "etcd" => "registry.k8s.io/etcd:3.6.8-0".to_owned(),
        _ => format!("registry.k8s.io/{name}:v{version}"),
    };
    STATIC_PODS.iter().map(|name| ((*name).to_owned(), image(name))).collect()
}

impl World {
    pub(super) fn fetch_upgrade(&mut self, host: &str, version: KubernetesVersion, extent: Extent) {
        if extent >= Extent::Late {
            self.facts(host).packages.kubeadm = version.to_string();
        }
    }

    pub(super) fn upgrade_control_plane(&mut self, host: &str, version: KubernetesVersion, extent: Extent) {
        for other in self.wanted.spec.control_plane.keys().filter(|other| *other != host).cloned().collect::<Vec<_>>() {
            if self.api().nodes.contains_key(&other) && self.observed.facts(&other).is_some() {
                let complete = self.facts(&other).kubernetes.images.contains_key("kube-apiserver");
                assert!(complete, "{host} is upgraded while the API server of {other} is away");
            }
        }
        assert_eq!(self.facts(host).packages.kubeadm, version.to_string(), "{host} has not fetched the new kubeadm");
        let done = self.facts(host).kubernetes.images == images(version);
        if extent == Extent::Early && !done {
            self.facts(host).kubernetes.images.remove("kube-apiserver");
        }
        if extent >= Extent::Middle {
            self.facts(host).kubernetes.images = images(version);
            self.api().version = format!("v{version}");
            let desired = ControlPlane::of(&self.wanted.spec);
            run_components(self.facts(host), &desired);
        }
        self.upgrade_kubelet(host, version, extent);
        if extent == Extent::Whole {
            self.api().kubeadm_version = format!("v{version}");
        }
    }

    pub(super) fn upgrade_worker(&mut self, host: &str, version: KubernetesVersion, extent: Extent) {
        for name in self.wanted.spec.control_plane.keys().cloned().collect::<Vec<_>>() {
            if self.observed.facts(&name).is_some() && self.api().nodes.contains_key(&name) {
                let images_of = &self.facts(&name).kubernetes.images;
                assert_eq!(*images_of, images(version), "{host} would be newer than the API server of {name}");
            }
        }
        self.upgrade_kubelet(host, version, extent);
    }

    fn upgrade_kubelet(&mut self, host: &str, version: KubernetesVersion, extent: Extent) {
        let drains = self.wanted.spec.upgrade.drain != UpgradeDrain::Never;
        let node = self.api().nodes.get_mut(host).unwrap_or_else(|| panic!("{host} has no Node"));
        if drains && !node.unschedulable {
            node.unschedulable = true;
            node.cordoned_by_us = true;
        }
        self.facts(host).unrecorded = extent != Extent::Whole;
        // A reboot during the upgrade starts the new kubelet before kubeadm has done its part.
        if extent >= Extent::Late {
            let spec = self.wanted.spec.clone();
            let facts = self.facts(host);
            let text = version.to_string();
            facts.packages.kubelet.clone_from(&text);
            facts.packages.kubectl.clone_from(&text);
            facts.packages.kubeadm = text;
            facts.containerd_active = true;
            let files = host_files::expected_files(&spec, facts);
            Self::set_files(facts, files);
            self.api().nodes.get_mut(host).unwrap().kubelet_version = format!("v{version}");
        }
        if extent == Extent::Whole {
            self.uncordon(host);
            self.api().nodes.get_mut(host).unwrap().ready = true;
        }
    }

    pub(super) fn upgrade_containerd(&mut self, host: &str, to: ContainerdVersion, extent: Extent) {
        let drains = self.wanted.spec.upgrade.drain == UpgradeDrain::Always;
        let is_there = self.facts(host).packages.containerd == to.to_string();
        let node = self.api().nodes.get_mut(host).unwrap_or_else(|| panic!("{host} has no Node"));
        if drains && !is_there && !node.unschedulable {
            (node.unschedulable, node.cordoned_by_us) = (true, true);
        }
        if extent >= Extent::Middle {
            self.facts(host).packages.containerd = to.to_string();
        }
        if extent == Extent::Whole {
            self.uncordon(host);
        }
    }

    pub(super) fn upgrade_kubeadm_addons(&mut self, version: KubernetesVersion, extent: Extent) {
        if extent >= Extent::Middle {
            // kubeadm takes the version from its own configuration.
            assert_eq!(self.api().kubeadm_version, format!("v{version}"), "the addons would stay as they are");
            self.api().kube_proxy_version = format!("v{version}");
        }
    }

    pub(super) fn uncordon(&mut self, host: &str) {
        let node = self.api().nodes.get_mut(host).unwrap_or_else(|| panic!("{host} has no Node"));
        if std::mem::take(&mut node.cordoned_by_us) {
            node.unschedulable = false;
        }
    }

    /// Sets the version of one node and everything on it.
    pub(super) fn node_runs(&mut self, host: &str, version: KubernetesVersion) {
        let mut spec = self.wanted.spec.clone();
        spec.kubernetes_version = version;
        let facts = self.facts(host);
        let text = version.to_string();
        for package in [&mut facts.packages.kubelet, &mut facts.packages.kubeadm, &mut facts.packages.kubectl] {
            package.clone_from(&text);
        }
        if !facts.kubernetes.images.is_empty() {
            facts.kubernetes.images = images(version);
        }
        let files = host_files::expected_files(&spec, facts);
        Self::set_files(facts, files);
        if let Some(node) = self.api().nodes.get_mut(host) {
            node.kubelet_version = format!("v{version}");
        }
        // The first one of a version writes it into kubeadm's configuration.
        let is_older = |known: &str| known.parse().is_ok_and(|known: KubernetesVersion| known < version);
        if self.wanted.spec.control_plane.contains_key(host) && is_older(&self.api().kubeadm_version) {
            self.api().kubeadm_version = format!("v{version}");
        }
    }

    /// Another tool replaced the kubelet of a node.
    pub(super) fn upgraded_by_hand(&mut self, host: &str, version: KubernetesVersion) {
        version.to_string().clone_into(&mut self.facts(host).packages.kubelet);
        self.api().nodes.get_mut(host).unwrap().kubelet_version = format!("v{version}");
    }

    /// Sets the version of the whole cluster.
    pub(super) fn runs(&mut self, version: KubernetesVersion) {
        let names: Vec<_> = self.api().nodes.keys().cloned().collect();
        for name in names.iter().filter(|name| self.observed.facts(name).is_some()).collect::<Vec<_>>() {
            self.node_runs(name, version);
        }
        let api = self.api();
        api.version = format!("v{version}");
        api.nodes.values_mut().for_each(|node| node.kubelet_version = format!("v{version}"));
        api.kubeadm_version = format!("v{version}");
        api.kube_proxy_version = format!("v{version}");
    }
}
