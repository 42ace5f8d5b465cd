//! The simulated cluster's etcd, and machines that join and leave.

use kubeone_facts::{EtcdMember, HostState, KubernetesFiles, MarkerFile, PackageVersions};
use kubeone_spec::{HostSpec, Role};

use super::{Extent, World, fresh_machine};
use crate::departing::is_node_of;
use crate::etcd::is_member_of;

impl World {
    /// Hosts of new settings are fresh machines.
    pub(super) fn arrive(&mut self) {
        for (name, ..) in self.wanted.spec.hosts() {
            let machine = || {
                let mut facts = fresh_machine(name);
                let born = self.observed.leaving_facts(name).map(|old| old.machine_id.as_str()).unwrap_or_default();
                facts.machine_id = format!("{born}new-{name}");
                HostState::Reached(Box::new(facts))
            };
            let machine = machine();
            self.observed.hosts.entry(name.to_owned()).or_insert(machine);
        }
    }

    /// A departing machine loses power.
    pub(crate) fn kill_leaver(&mut self, name: &str) {
        let reason = "no route to host".to_owned();
        self.observed.leaving.insert(name.to_owned(), HostState::Unreachable { reason });
        self.tell_members();
    }

    pub(super) fn begin_etcd(&mut self, host: &str, extent: Extent) {
        if extent >= Extent::Middle {
            self.members = vec![self.member(host, false)];
        }
    }

    pub(super) fn join_etcd(&mut self, host: &str, extent: Extent) {
        let name = host.to_owned();
        let spec = self.wanted.spec.control_plane[host].clone();
        self.members.retain(|member| !is_member_of(member, &name, &spec));
        if extent >= Extent::Middle {
            let member = self.member(host, extent == Extent::Middle);
            self.members.push(member);
            self.members.sort_by(|left, right| left.name.cmp(&right.name));
        }
    }

    /// A member was added that never started: it has no name yet.
    pub(super) fn add_unstarted_member(&mut self, address: &str, learner: bool) {
        let id = format!("{:x}", 0xff + self.members.len());
        let peer_urls = vec![format!("https://{address}:2380")];
        self.members.push(EtcdMember { id, name: String::new(), peer_urls, learner });
    }

    fn member(&self, host: &str, learner: bool) -> EtcdMember {
        let address = self.wanted.spec.control_plane[host].node_address();
        EtcdMember {
            id: host.bytes().fold(7_u64, |id, byte| id.wrapping_mul(31) + u64::from(byte)).to_string(),
            name: host.to_owned(),
            peer_urls: vec![format!("https://{address}:2380")],
            learner,
        }
    }

    /// Every running member knows all members.
    pub(crate) fn tell_members(&mut self) {
        let machines = self.observed.hosts.values_mut().chain(self.observed.leaving.values_mut());
        for state in machines {
            if let HostState::Reached(facts) = state {
                let runs = facts.kubelet_active
                    && facts.kubernetes.etcd_data
                    && facts.kubernetes.static_pods.iter().any(|pod| pod == "etcd");
                facts.etcd_members = if runs { self.members.clone() } else { Vec::new() };
            }
        }
    }

    /// Whether etcd has a leader, or does not exist.
    pub(crate) fn has_quorum(&self) -> bool {
        let hosts = self.wanted.spec.control_plane.iter().map(|(name, host)| (name, host, self.observed.facts(name)));
        let leaving = self.wanted.leaving.iter();
        let leaving = leaving.map(|(name, it)| (name, &it.host, self.observed.leaving_facts(name)));
        let machines: Vec<_> = hosts.chain(leaving).collect();
        let runs = |member: &&&EtcdMember| {
            machines.iter().any(|(name, host, facts)| {
                is_member_of(member, name, host) && facts.is_some_and(|facts| !facts.etcd_members.is_empty())
            })
        };
        let voting: Vec<_> = self.members.iter().filter(|member| !member.learner).collect();
        voting.is_empty() || voting.iter().filter(runs).count() * 2 > voting.len()
    }

    pub(super) fn leave(&mut self, host: &str, role: Role, extent: Extent) {
        let is_successors = |world: &Self| world.observed.facts(host).is_some_and(|facts| facts.kubernetes.etcd_data);
        if let Some(node) = self.api().nodes.get(host).cloned()
            && !is_node_of(self.observed.facts(host), &node)
        {
            if extent >= Extent::Middle {
                self.api().nodes.remove(host);
            } else if let Some(node) = self.api().nodes.get_mut(host) {
                node.unschedulable = true;
            }
        }
        if extent >= Extent::Middle && role == Role::ControlPlane && !is_successors(self) {
            let spec: HostSpec = self.wanted.leaving[host].host.clone();
            self.members.retain(|member| !is_member_of(member, host, &spec));
        }
        let Some(HostState::Reached(facts)) = self.observed.leaving.get_mut(host) else { return };
        if facts.marker.is_absent() {
            return;
        }
        if extent >= Extent::Late {
            facts.kubelet_active = false;
            facts.kubernetes = KubernetesFiles::default();
            facts.units.clear();
        }
        if extent == Extent::Whole {
            facts.packages = PackageVersions::default();
            facts.containerd_active = false;
            facts.files.clear();
            facts.kubelet_settings.clear();
            facts.marker = MarkerFile::Absent;
        }
    }
}
