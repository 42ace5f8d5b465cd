//! A simulated cluster for tests: actions change it as they change a real one, completely or up to some point.

mod adoption;
mod backup;
mod cases;
mod change;
mod components;
mod configure;
mod laws;
mod leave;
mod lies;
mod node_notation;
mod notation;
mod repair;
mod repairs;
mod restore;
mod seen;
mod upgrade;

use std::collections::BTreeMap;

pub(crate) use components::run_components;
use kubeone_desired::addons::WantedAddon;
use kubeone_desired::control_plane::ControlPlane;
use kubeone_desired::{COREDNS, host_files};
use kubeone_facts::{
    AddonState, ApiFacts, ApiState, EtcdMember, HostFacts, HostState, Marker, MarkerFile, NodeFacts, NodeSettings,
    Observed, PackageVersions, UnitState,
};
use kubeone_spec::{ClusterSpec, Cni, Role};

use crate::plan::Action;
use crate::renewal::{AUTHORITIES, COMPONENT_CERTIFICATES, KUBELET_CERTIFICATE};
use crate::wanted::{LeavingHost, Wanted};

/// The time of every observation.
const NOW: &str = "2026-03-01T12:00:00Z";
/// When new certificates expire.
const IN_A_YEAR: &str = "2027-03-01T12:00:00Z";
const IN_TEN_YEARS: &str = "2036-03-01T12:00:00Z";

/// The newest containerd in the package lists of new machines.
const OFFERED: &str = "2.2.9";

const UID: &str = "11111111-1111-1111-1111-111111111111";
const CA: &str = "ca";

/// How far an action gets before it is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// It leaves first traces.
    Early,
    Middle,
    /// Everything but its last change.
    Late,
    Whole,
}

pub(crate) const INTERRUPTED: [Extent; 3] = [Extent::Early, Extent::Middle, Extent::Late];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) wanted: Wanted,
    pub(crate) observed: Observed,
    /// Stand-ins: the content of an addon makes no difference here.
    pub(crate) addons: Vec<WantedAddon>,
    /// The members of etcd.
    pub(crate) members: Vec<EtcdMember>,
    /// The facts of the API while it is silent.
    pub(crate) unsaid: Option<Box<ApiFacts>>,
    /// The content of each snapshot, by its name.
    pub(crate) saved: BTreeMap<String, ApiFacts>,
    /// The host with a snapshot that was verified for a restore.
    pub(crate) checked: Option<String>,
}

impl World {
    /// Each host is a fresh machine.
    pub(crate) fn new(spec: ClusterSpec) -> Self {
        let machine = |name: &str| (name.to_owned(), HostState::Reached(Box::new(fresh_machine(name))));
        let hosts = spec.hosts().map(|(name, ..)| machine(name)).collect();
        let canal = WantedAddon { name: "canal", hash: Some("canal".to_owned()) };
        let addons = if spec.cluster_network.cni == Cni::Canal { vec![canal] } else { Vec::new() };
        Self {
            wanted: Wanted::new(spec),
            observed: Observed { observed_at: NOW.to_owned(), hosts, ..Observed::default() },
            addons,
            members: Vec::new(),
            unsaid: None,
            saved: BTreeMap::new(),
            checked: None,
        }
    }

    /// The user changes the settings of an existing cluster.
    pub(crate) fn change_to(&mut self, spec: ClusterSpec) {
        let uid = self.observed.api_facts().map(|api| api.cluster_uid.clone());
        self.wanted = Wanted::after(&self.wanted.spec, uid, spec);
        self.observed = self.wanted.view(std::mem::take(&mut self.observed));
        self.arrive();
    }

    /// The cluster was imported, and these are the first settings for it.
    pub(crate) fn imported(&mut self) {
        let control_plane = |leaving: &LeavingHost| leaving.role == Role::ControlPlane;
        self.wanted.leaving.retain(|_, leaving| control_plane(leaving));
        self.wanted.imported = true;
        self.observed = self.wanted.view(std::mem::take(&mut self.observed));
    }

    /// As if another tool had created this node: it has none of our files, and a different system setup.
    pub(crate) fn made_by_hand(&mut self, host: &str) {
        let facts = self.facts(host);
        facts.marker = MarkerFile::Absent;
        facts.files.clear();
        facts.units.clear();
        let settings = self.settings(host);
        *settings = NodeSettings { taints: std::mem::take(&mut settings.taints), ..NodeSettings::default() };
    }

    pub(crate) fn facts(&mut self, host: &str) -> &mut HostFacts {
        match self.observed.hosts.get_mut(host) {
            Some(HostState::Reached(facts)) => facts,
            other => panic!("{host} is not reached but {other:?}"),
        }
    }

    pub(crate) fn api(&mut self) -> &mut ApiFacts {
        match &mut self.observed.api {
            ApiState::Answered(facts) => facts,
            other => panic!("the API does not answer: {other:?}"),
        }
    }

    pub(crate) fn run(&mut self, action: &Action, extent: Extent) {
        match action {
            Action::PrepareHost { host, .. } => self.prepare(host, extent),
            Action::InitControlPlane { host, restore, .. } => self.init(host, restore.is_some(), extent),
            Action::AdoptHost { host } => self.adopt(host, extent),
            Action::RewriteMarker { host, .. } => self.rewrite_marker(host, extent),
            Action::JoinControlPlane { host, .. } => self.join(host, Role::ControlPlane, extent),
            Action::JoinWorker { host, .. } => self.join(host, Role::Worker, extent),
            Action::RepairCluster { missing, .. } => self.repair_cluster(missing, extent),
            Action::ApplyAddon { addon, .. } => self.apply_addon(addon, extent),
            Action::AwaitNodes { hosts } => self.await_nodes(hosts, extent),
            Action::TakeSnapshot { host, cause } => self.take_snapshot(host, cause, extent),
            Action::CopySnapshots { host, .. } => self.copy_snapshots(host, extent),
            Action::PrepareRestore { host, what, .. } => self.prepare_restore(host, what, extent),
            Action::StopControlPlane { host, what } => self.stop_control_plane(host, what, extent),
            Action::RestoreEtcd { host, what } => self.restore_etcd(host, what, extent),
            Action::RepairNode { host, role, what } => self.repair(host, *role, what, extent),
            Action::ConfigureNode { host, role, what } => self.configure(host, *role, what, extent),
            Action::ConfigureControlPlane { host, .. } => self.configure_control_plane(host, extent),
            Action::AwaitApi => self.await_api(extent),
            Action::RenewCertificates { host, .. } => self.renew(host, extent),
            Action::RemoveNode { host, role, .. } => self.leave(host, *role, extent),
            Action::PreflightUpgrade { .. } => {}
            Action::FetchUpgrade { host, kubernetes_version, .. } => {
                self.fetch_upgrade(host, *kubernetes_version, extent);
            }
            Action::UpgradeControlPlane { host, kubernetes_version } => {
                self.upgrade_control_plane(host, *kubernetes_version, extent);
            }
            Action::UpgradeWorker { host, kubernetes_version } => {
                self.upgrade_worker(host, *kubernetes_version, extent);
            }
            Action::UpgradeContainerd { host, to, .. } => self.upgrade_containerd(host, *to, extent),
            Action::UpgradeKubeadmAddons { kubernetes_version, .. } => {
                self.upgrade_kubeadm_addons(*kubernetes_version, extent);
            }
            Action::UncordonNode { host } => {
                if extent == Extent::Whole {
                    self.uncordon(host);
                }
            }
            Action::ResetHost { host, .. } => self.reset(host, extent),
        }
        self.tell_members();
    }

    fn prepare(&mut self, host: &str, extent: Extent) {
        let (spec, cluster) = (self.wanted.spec.clone(), self.wanted.spec.name.clone());
        let facts = self.facts(host);
        if facts.marker.as_ref().is_none() {
            facts.marker = Marker { cluster, ..Marker::default() }.into();
        }
        if extent >= Extent::Middle {
            // The containerd of a node has its own action.
            let is_node = facts.marker.as_ref().is_some_and(|marker| marker.uid.is_some());
            if !(is_node && facts.packages.containerd.starts_with("2.")) {
                facts.packages.containerd =
                    spec.containerd.version.map_or_else(|| OFFERED.to_owned(), |pinned| pinned.to_string());
            }
        }
        if extent >= Extent::Late {
            let version = spec.kubernetes_version.to_string();
            let containerd = facts.packages.containerd.clone();
            facts.packages =
                PackageVersions { containerd, kubelet: version.clone(), kubeadm: version.clone(), kubectl: version };
            facts.containerd_active = true;
        }
        if extent == Extent::Whole {
            facts.swap_active = false;
            facts.disabled_services.clear();
            facts.damaged.clear();
            let files = host_files::expected_files(&spec, facts);
            Self::set_files(facts, files);
            if let ApiState::Answered(api) = &mut self.observed.api
                && let Some(node) = api.nodes.get_mut(host)
            {
                node.kubelet_version = format!("v{}", spec.kubernetes_version);
            }
        }
    }

    fn init(&mut self, host: &str, restores: bool, extent: Extent) {
        let version = self.wanted.spec.kubernetes_version;
        let finished = self.facts(host).marker.as_ref().is_some_and(|marker| marker.uid.is_some());
        if finished {
            return;
        }
        self.kubeadm(host, Role::ControlPlane, "kubeone-init", extent);
        if extent >= Extent::Middle && self.observed.api_facts().is_none() {
            let version = format!("v{version}");
            let facts = ApiFacts {
                cluster_uid: UID.to_owned(),
                ca_sha256: CA.to_owned(),
                version: version.clone(),
                kubeadm_version: version.clone(),
                kube_proxy_version: version,
                missing: vec![COREDNS.to_owned()],
                ..ApiFacts::default()
            };
            let facts = if restores { self.restored_without_nodes() } else { facts };
            self.observed.api = ApiState::Answered(Box::new(facts));
        }
        if extent >= Extent::Late {
            self.api().missing.clear();
        }
        self.begin_etcd(host, extent);
        self.become_node(host, Role::ControlPlane, extent);
        if restores && extent == Extent::Whole {
            let key = self.wanted.spec.restore.as_ref().and_then(kubeone_spec::Restore::key).unwrap();
            self.remember_restore(host, &key);
        }
    }

    fn join(&mut self, host: &str, role: Role, extent: Extent) {
        assert!(self.api().missing.is_empty(), "{host} joins before the control plane is there");
        let finished = self.facts(host).marker.as_ref().is_some_and(|marker| marker.uid.is_some());
        let is_member =
            role == Role::Worker || self.members.iter().any(|member| member.name == host && !member.learner);
        if finished && self.api().nodes.contains_key(host) && is_member && !self.is_left_behind(host) {
            return;
        }
        self.facts(host).restore = None;
        self.kubeadm(host, role, "kubeone-join", extent);
        if role == Role::ControlPlane {
            self.join_etcd(host, extent);
        }
        self.become_node(host, role, extent);
    }

    /// What kubeadm leaves on the host itself.
    fn kubeadm(&mut self, host: &str, role: Role, unit: &str, extent: Extent) {
        let version = self.wanted.spec.kubernetes_version;
        let names = self.wanted.spec.api_endpoint.alternative_names.clone();
        self.set_kubelet_before_start(host);
        let desired = ControlPlane::of(&self.wanted.spec);
        let facts = self.facts(host);
        assert!(facts.containerd_active && !facts.packages.kubeadm.is_empty(), "{host} is not prepared");
        facts.kubernetes.kubelet_conf = true;
        facts.unrecorded = true;
        CA.clone_into(&mut facts.kubernetes.ca_sha256);
        facts.certificates = new_certificates(role);
        if role == Role::ControlPlane {
            facts.api_server_names.clone_from(&names);
        }
        facts.kubernetes.admin_conf |= role == Role::ControlPlane;
        let mut state = UnitState::Failed;
        if extent >= Extent::Middle {
            facts.kubelet_active = true;
            if role == Role::ControlPlane {
                facts.kubernetes.images = upgrade::images(version);
                facts.kubernetes.static_pods = facts.kubernetes.images.keys().cloned().collect();
                facts.kubernetes.etcd_data = true;
                run_components(facts, &desired);
            }
            state = UnitState::Running;
        }
        if extent >= Extent::Late {
            state = UnitState::Succeeded;
        }
        facts.units.insert(unit.to_owned(), state);
    }

    pub(super) fn become_node(&mut self, host: &str, role: Role, extent: Extent) {
        if extent >= Extent::Late {
            let kubelet_version = format!("v{}", self.wanted.spec.kubernetes_version);
            let control_plane = role == Role::ControlPlane;
            let machine_id = self.facts(host).machine_id.clone();
            let taints = self.wanted.spec.host(host).map(|host| host.taints_as(role)).unwrap_or_default();
            let settings = NodeSettings { taints, ..NodeSettings::default() };
            let node = NodeFacts { control_plane, kubelet_version, machine_id, settings, ..NodeFacts::default() };
            let nodes = &mut self.api().nodes;
            if nodes.get(host).is_none_or(|present| present.machine_id != node.machine_id) {
                nodes.insert(host.to_owned(), node);
            }
        }
        if extent == Extent::Whole {
            self.set_on_node(host, role, extent);
            let spec = self.wanted.spec.clone();
            let facts = self.facts(host);
            facts.unrecorded = false;
            if let Some(marker) = facts.marker.as_mut() {
                *marker = Marker { uid: Some(UID.to_owned()), ..marker.clone().renewed(&spec) };
            }
            if role == Role::ControlPlane {
                self.take_over_restore(host);
            }
        }
    }

    fn apply_addon(&mut self, name: &str, extent: Extent) {
        let addon = self.addons.iter().find(|addon| addon.name == name);
        let hash = addon.and_then(|addon| addon.hash.clone()).unwrap_or_default();
        let state = match extent {
            Extent::Early => return,
            Extent::Middle => AddonState::default(),
            Extent::Late | Extent::Whole => {
                AddonState { hash, ready: extent == Extent::Whole, ..AddonState::default() }
            }
        };
        self.api().addons.insert(name.to_owned(), state);
    }

    fn await_nodes(&mut self, hosts: &[String], extent: Extent) {
        assert!(self.api().addons.contains_key("canal"), "nodes do not get ready without a network");
        if extent == Extent::Whole {
            for host in hosts {
                self.api().nodes.get_mut(host).unwrap_or_else(|| panic!("{host} has no Node")).ready = true;
            }
        }
    }

    fn reset(&mut self, host: &str, extent: Extent) {
        let facts = self.facts(host);
        if facts.marker.is_absent() {
            return;
        }
        facts.kubelet_active = false;
        if extent >= Extent::Middle {
            facts.kubernetes = kubeone_facts::KubernetesFiles::default();
            facts.units.clear();
            facts.certificates.clear();
            facts.renewal_begun.clear();
            facts.changed_files.clear();
            facts.restore = None;
        }
        if extent >= Extent::Late {
            facts.packages = PackageVersions::default();
            facts.containerd_active = false;
            facts.files.clear();
            facts.kubelet_settings.clear();
        }
        if extent == Extent::Whole {
            facts.marker = MarkerFile::Absent;
        }
        if let ApiState::Answered(api) = &mut self.observed.api {
            api.nodes.remove(host);
        }
        let states = self.observed.hosts.values();
        let alive =
            states.filter(|state| matches!(state, HostState::Reached(f) if f.kubelet_active && f.kubernetes.etcd_data));
        if alive.count() == 0 {
            self.observed.api = ApiState::Absent;
            self.members.clear();
        }
    }
}

/// The certificates that kubeadm and the kubelet create.
fn new_certificates(role: Role) -> BTreeMap<String, String> {
    let kubelet = [(KUBELET_CERTIFICATE, IN_A_YEAR)];
    let components = COMPONENT_CERTIFICATES.iter().map(|certificate| (certificate.path, IN_A_YEAR));
    let authorities = AUTHORITIES.map(|path| (path, IN_TEN_YEARS));
    let all = kubelet.into_iter().chain(components).chain(authorities);
    let there = all.filter(|(path, _)| role == Role::ControlPlane || *path == KUBELET_CERTIFICATE);
    there.map(|(path, end)| (path.to_owned(), end.to_owned())).collect()
}

fn fresh_machine(name: &str) -> HostFacts {
    let mut facts = HostFacts {
        hostname: name.to_owned(),
        machine_id: format!("machine-{name}"),
        architecture: "amd64".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        cpus: 2,
        memory_mib: 4000,
        swap_active: true,
        containerd_offered: vec![OFFERED.parse().unwrap()],
        ..HostFacts::default()
    };
    facts.os.id = "debian".to_owned();
    facts.os.version_id = "12".to_owned();
    facts.os.version_codename = "bookworm".to_owned();
    facts.os.scripts = Some("debian".to_owned());
    facts
}
