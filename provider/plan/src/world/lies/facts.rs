//! False facts that a host can report: extreme, contradictory, and of other hosts.

use std::collections::BTreeMap;

use kubeone_facts::{
    BegunRestore, CgroupVersion, Configured, EtcdMember, HostFacts, KubernetesFiles, Marker, MarkerFile,
    OperatingSystem, PackageVersions, SnapshotCause, UnitState,
};

use crate::renewal::{COMPONENT_CERTIFICATES, KUBELET_CERTIFICATE};
use crate::world::backup::snapshot;

/// A false fact.
pub(super) struct Lie {
    pub(super) fact: &'static str,
    pub(super) says: &'static str,
    pub(super) tell: fn(&mut HostFacts),
}

const fn lie(fact: &'static str, says: &'static str, tell: fn(&mut HostFacts)) -> Lie {
    Lie { fact, says, tell }
}

/// The marker of a host, which gets one if it has none.
pub(super) fn marker(facts: &mut HostFacts) -> &mut Marker {
    if facts.marker.as_ref().is_none() {
        facts.marker = Marker::default().into();
    }
    facts.marker.as_mut().unwrap()
}

fn long() -> String {
    "x".repeat(100_000)
}

fn other() -> String {
    "33333333-3333-3333-3333-333333333333".to_owned()
}

fn member(name: &str, address: &str, learner: bool) -> EtcdMember {
    let id = format!("{:x}", name.len() + address.len());
    EtcdMember { id, name: name.to_owned(), peer_urls: vec![format!("https://{address}:2380")], learner }
}

fn image(facts: &mut HostFacts, tag: &str) {
    for (name, image) in &mut facts.kubernetes.images {
        *image = format!("registry.k8s.io/{name}:{tag}");
    }
}

pub(super) const LIES: &[Lie] = &[
    lie("hostname", "of another host", |it| it.hostname = "cp-1".to_owned()),
    lie("hostname", "too much", |it| it.hostname = long()),
    lie("machine_id", "that of cp-1", |it| it.machine_id = "machine-cp-1".to_owned()),
    lie("machine_id", "that of cp-3", |it| it.machine_id = "machine-cp-3".to_owned()),
    lie("machine_id", "that of w-2", |it| it.machine_id = "machine-w-2".to_owned()),
    lie("machine_id", "none", |it| it.machine_id.clear()),
    lie("machine_id", "of no machine", |it| it.machine_id = "unknown".to_owned()),
    lie("os", "none", |it| it.os = OperatingSystem::default()),
    lie("os", "too much", |it| it.os.version_codename = long()),
    lie("architecture", "unknown", |it| it.architecture = "z80".to_owned()),
    lie("kernel", "an old one", |it| it.kernel = "2.6".to_owned()),
    lie("cgroup", "v1", |it| it.cgroup = CgroupVersion::V1),
    lie("clock", "the end of time", |it| it.clock = "9999-12-30T00:00:00Z".to_owned()),
    lie("clock", "the beginning", |it| it.clock = "1970-01-01T00:00:00Z".to_owned()),
    lie("clock", "gibberish", |it| it.clock = "yesterday".to_owned()),
    lie("cpus", "none", |it| it.cpus = 0),
    lie("cpus", "all", |it| it.cpus = u32::MAX),
    lie("memory_mib", "all", |it| it.memory_mib = u64::MAX),
    lie("memory_mib", "little", |it| it.memory_mib = 1),
    lie("swap_active", "yes", |it| it.swap_active = true),
    lie("free_disk_mib", "all", |it| it.free_disk_mib = u64::MAX),
    lie("free_disk_mib", "little", |it| it.free_disk_mib = 1),
    lie("ssh_host_key", "another", |it| it.ssh_host_key = "ssh-ed25519 another".to_owned()),
    lie("identity", "not asked", |it| it.identity = None),
    lie("marker", "none", |it| it.marker = MarkerFile::Absent),
    lie("marker", "damaged", |it| it.marker = MarkerFile::Unusable { reason: long() }),
    lie("marker", "another cluster", |it| marker(it).cluster = "other".to_owned()),
    lie("marker", "never a node", |it| marker(it).uid = None),
    lie("marker", "another uid", |it| marker(it).uid = Some(other())),
    lie("marker", "a cluster in its place", |it| {
        let known = marker(it).uid.take();
        (marker(it).uid, marker(it).replaces) = (Some(other()), known);
    }),
    lie("marker", "restored in 9999", |it| marker(it).restored = Some("9999-01-01T00:00:00Z snapshot x".to_owned())),
    lie("marker", "restored at the end", |it| marker(it).restored = Some("9999-12-30T22:00:00Z snapshot x".to_owned())),
    lie("marker", "restored now", |it| marker(it).restored = Some("2026-03-01T12:00:00Z the data of cp-1".to_owned())),
    lie("marker", "restored elsewhere", |it| marker(it).restored = Some("2026-03-02T01:00:00+14:00 x".to_owned())),
    lie("marker", "restored at no time", |it| marker(it).restored = Some("gibberish".to_owned())),
    lie("marker", "another trigger", |it| marker(it).renew_trigger = Some(long())),
    lie("marker", "adopted", |it| marker(it).adopted = true),
    lie("packages", "none", |it| it.packages = PackageVersions::default()),
    lie("packages", "the future", |it| it.packages.kubelet = "9.9.9".to_owned()),
    lie("packages", "gibberish", |it| it.packages.kubeadm = "-".to_owned()),
    lie("containerd_active", "no", |it| it.containerd_active = false),
    lie("kubelet_active", "no", |it| it.kubelet_active = false),
    lie("kubernetes", "none", |it| it.kubernetes = KubernetesFiles::default()),
    lie("kubernetes", "no kubelet.conf", |it| it.kubernetes.kubelet_conf = false),
    lie("kubernetes", "no data", |it| it.kubernetes.etcd_data = false),
    lie("kubernetes", "data", |it| it.kubernetes.etcd_data = true),
    lie("kubernetes", "a control plane", |it| it.kubernetes.admin_conf = true),
    lie("kubernetes", "no static pods", |it| {
        it.kubernetes.static_pods.clear();
        it.kubernetes.images.clear();
    }),
    lie("kubernetes", "another CA", |it| it.kubernetes.ca_sha256 = "another".to_owned()),
    lie("kubernetes", "an older version", |it| image(it, "v1.35.4")),
    lie("kubernetes", "gibberish for a version", |it| image(it, "gibberish")),
    lie("files", "none", |it| it.files.clear()),
    lie("files", "others", |it| it.files.values_mut().for_each(|hash| *hash = "other".to_owned())),
    lie("configured", "interrupted", |it| it.configured.begun = true),
    lie("configured", "nothing", |it| it.configured = Configured::default()),
    lie("configured", "files of others", |it| it.configured.files = vec!["/etc/shadow".to_owned(), long()]),
    lie("configured", "arguments of kubeadm", |it| {
        it.configured.arguments.insert("kube-apiserver".to_owned(), vec!["etcd-servers".to_owned()]);
    }),
    lie("kubernetes", "other arguments", |it| {
        it.kubernetes.components.values_mut().for_each(|component| component.arguments.clear());
    }),
    lie("units", "all run", |it| {
        let units = ["kubeone-init", "kubeone-join", "kubeone-upgrade", "kubeone-restore", "kubeone-reset"];
        it.units = units.into_iter().map(|unit| (unit.to_owned(), UnitState::Running)).collect();
    }),
    lie("certificates", "none", |it| it.certificates.clear()),
    lie("certificates", "all ended", |it| {
        it.certificates.values_mut().for_each(|end| *end = "1970-01-01T00:00:00Z".to_owned());
        it.certificates.insert(KUBELET_CERTIFICATE.to_owned(), "1970-01-01T00:00:00Z".to_owned());
    }),
    lie("certificates", "gibberish", |it| it.certificates.values_mut().for_each(|end| *end = "soon".to_owned())),
    lie("renewal_begun", "all", |it| {
        it.renewal_begun = COMPONENT_CERTIFICATES.iter().map(|certificate| certificate.name.to_owned()).collect();
    }),
    lie("renewal_begun", "unknown", |it| it.renewal_begun = vec![long()]),
    lie("changed_files", "one", |it| it.changed_files = vec!["/etc/kubernetes/manifests/etcd.yaml".to_owned()]),
    lie("changed_files", "foreign", |it| it.changed_files = vec!["/etc/shadow".to_owned()]),
    lie("unrecorded", "yes", |it| it.unrecorded = true),
    lie("disabled_services", "ours", |it| it.disabled_services = vec!["kubelet".to_owned(), "containerd".to_owned()]),
    lie("disabled_services", "others", |it| it.disabled_services = vec!["sshd".to_owned()]),
    lie("api_server_names", "none", |it| it.api_server_names.clear()),
    lie("api_server_names", "foreign", |it| it.api_server_names = vec!["evil.example.com".to_owned()]),
    lie("etcd_members", "none", |it| it.etcd_members.clear()),
    lie("etcd_members", "it alone", |it| it.etcd_members = vec![member("cp-1", "10.0.1.1", false)]),
    lie("etcd_members", "strangers", |it| {
        it.etcd_members = (1..9).map(|n| member(&format!("stranger-{n}"), &format!("10.9.9.{n}"), false)).collect();
    }),
    lie("etcd_members", "all learn", |it| it.etcd_members.iter_mut().for_each(|member| member.learner = true)),
    lie("etcd_members", "none started", |it| it.etcd_members.iter_mut().for_each(|member| member.name.clear())),
    lie("etcd_members", "the others are gone", |it| it.etcd_members.truncate(1)),
    lie("kubelet_settings", "edited", |it| it.kubelet_settings = "]".to_owned()),
    lie("snapshots", "many of ours", |it| {
        it.snapshots = (1..99)
            .map(|n| {
                let mut held = snapshot("prod", "cp-1", SnapshotCause::Trigger("first".to_owned()));
                held.snapshot.name = format!("prod-9999{n}");
                held
            })
            .collect();
    }),
    lie("snapshots", "of another host", |it| {
        it.snapshots = vec![snapshot("other", "cp-1", SnapshotCause::Trigger("first".to_owned()))];
    }),
    lie("restore", "begun", |it| it.restore = Some(BegunRestore { what: "snapshot x".to_owned(), replaced: false })),
    lie("restore", "has its data", |it| {
        it.restore = Some(BegunRestore { what: "snapshot x".to_owned(), replaced: true });
    }),
    lie("restore", "not known which", |it| it.restore = Some(BegunRestore::default())),
    lie("containerd_offered", "none", |it| it.containerd_offered.clear()),
    lie("containerd_offered", "the future", |it| it.containerd_offered = vec!["2.2.999".parse().unwrap()]),
    lie("damaged", "ours", |it| it.damaged = vec!["kubelet".to_owned(), "/usr/bin/kubelet".to_owned()]),
    lie("damaged", "others", |it| it.damaged = vec!["/etc/passwd".to_owned()]),
    lie("unusable_files", "ours", |it| {
        it.unusable_files = BTreeMap::from([("/etc/kubeone/renewal".to_owned(), "it is empty".to_owned())]);
    }),
];

/// Every fact needs a lie: `every_fact_can_be_lied_about`.
#[expect(dead_code, reason = "it does not compile when there is a fact that is not named here")]
fn all_facts(facts: &HostFacts) {
    let HostFacts {
        hostname: _,
        machine_id: _,
        os: _,
        architecture: _,
        kernel: _,
        cgroup: _,
        clock: _,
        cpus: _,
        memory_mib: _,
        swap_active: _,
        free_disk_mib: _,
        ssh_host_key: _,
        identity: _,
        marker: _,
        packages: _,
        containerd_active: _,
        kubelet_active: _,
        kubernetes: _,
        files: _,
        configured: _,
        units: _,
        certificates: _,
        renewal_begun: _,
        changed_files: _,
        unrecorded: _,
        disabled_services: _,
        api_server_names: _,
        etcd_members: _,
        kubelet_settings: _,
        snapshots: _,
        restore: _,
        containerd_offered: _,
        damaged: _,
        unusable_files: _,
    } = facts;
}
