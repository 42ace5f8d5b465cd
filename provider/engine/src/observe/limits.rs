//! What a host may say of itself. An answer with anything beyond is not used at all: a host that says such things is not
//! what it seems to be, and what it says is kept in Terraform's state.

use std::collections::BTreeMap;

use kubeone_facts::snapshot::is_plain;
use kubeone_facts::{
    BegunRestore, ComponentFacts, Configured, EtcdMember, HeldSnapshot, HostFacts, KubernetesFiles, Marker,
    OperatingSystem, PackageVersions, Snapshot, SnapshotCause, SnapshotContent,
};

/// As the private state holds them. A control plane with everything that there can be has a tenth of it.
const LARGEST_FACTS: usize = 512 << 10;

/// Names of hosts, of nodes and of DNS have at most so many bytes.
const NAME: usize = 253;
/// Versions, ids, hashes.
const WORD: usize = 64;
const URL: usize = 512;
const HOST_KEY: usize = 4096;
/// What Linux allows for a path.
const PATH: usize = 4096;
/// What users write themselves: triggers, paths of copies.
const WORDS: usize = 8192;
const KUBELET_SETTINGS: usize = 64 << 10;

/// A folder of certificates or manifests in which old ones are kept, too.
const FILES: usize = 512;
/// What there are a few of.
const FEW: usize = 64;
const SNAPSHOTS: usize = 1024;

type Check = Result<(), String>;

/// Says which fact is out of bounds. Each field is named here, so that a new one cannot be forgotten.
pub(super) fn check(facts: &HostFacts) -> Check {
    let HostFacts {
        hostname,
        identity: _,
        machine_id,
        os,
        architecture,
        kernel,
        cgroup: _,
        clock,
        cpus,
        memory_mib,
        swap_active: _,
        free_disk_mib,
        // Not what the script printed; see `host_key`.
        ssh_host_key: _,
        marker,
        packages,
        containerd_offered,
        damaged,
        containerd_active: _,
        kubelet_active: _,
        kubernetes,
        files,
        configured,
        units,
        certificates,
        renewal_begun,
        changed_files,
        unrecorded: _,
        disabled_services,
        api_server_names,
        etcd_members,
        kubelet_settings,
        snapshots,
        restore,
        unusable_files,
    } = facts;
    word("hostname", hostname, NAME)?;
    word("machine_id", machine_id, WORD)?;
    operating_system(os)?;
    word("architecture", architecture, WORD)?;
    word("kernel", kernel, NAME)?;
    word("clock", clock, WORD)?;
    number("cpus", (*cpus).into(), 1 << 16)?;
    number("memory_mib", *memory_mib, 1 << 30)?;
    number("free_disk_mib", *free_disk_mib, 1 << 40)?;
    marker.as_ref().map_or(Ok(()), self::marker)?;
    let marker_damage = marker.damage().unwrap_or_default();
    package_versions(packages)?;
    at_most("containerd_offered", containerd_offered.len(), "entries", FILES)?;
    list("damaged", damaged, FEW, |what, name| word(what, name, NAME))?;
    kubernetes_files(kubernetes)?;
    map("files", files, FEW, |what, hash| word(what, hash, WORD))?;
    configured_names(configured)?;
    map("units", units, FEW, |_, _| Ok(()))?;
    map("certificates", certificates, FILES, |what, end| word(what, end, WORD))?;
    list("renewal_begun", renewal_begun, FEW, |what, name| text(what, name, NAME))?;
    list("changed_files", changed_files, FEW, |what, path| text(what, path, PATH))?;
    list("disabled_services", disabled_services, FEW, |what, name| word(what, name, WORD))?;
    list("api_server_names", api_server_names, FILES, |what, name| word(what, name, NAME))?;
    list("etcd_members", etcd_members, FEW, etcd_member)?;
    text("kubelet_settings", kubelet_settings, KUBELET_SETTINGS)?;
    list("snapshots", snapshots, SNAPSHOTS, |_, held| {
        let HeldSnapshot { snapshot: described, held: _, awaits_copy: _ } = held;
        snapshot(described)
    })?;
    if let Some(BegunRestore { what, replaced: _ }) = restore {
        text("restore", what, WORDS)?;
    }
    text("marker", marker_damage, NAME)?;
    map("unusable_files", unusable_files, SNAPSHOTS, |what, reason| text(what, reason, NAME))?;
    let all = serde_json::to_vec(facts).map_or(usize::MAX, |facts| facts.len());
    at_most("all facts together", all, "bytes", LARGEST_FACTS)
}

/// A key of RSA with 16384 bits has 2,800 characters.
pub(super) fn host_key(key: &str) -> Check {
    text("ssh_host_key", key, HOST_KEY)
}

/// Whether a description is one of a snapshot of ours. Its name becomes part of paths, here and on hosts.
pub(crate) fn is_snapshot(it: &Snapshot) -> bool {
    is_plain(&it.name) && snapshot(it).is_ok()
}

/// Whether a certificate that names this can be one of a server that is meant.
pub(super) fn is_server_name(name: &str) -> bool {
    !name.is_empty() && word("name", name, NAME).is_ok()
}

fn operating_system(os: &OperatingSystem) -> Check {
    // The folder of scripts is our word.
    let OperatingSystem { id, id_like, version_id, version_codename, scripts: _ } = os;
    word("os.id", id, WORD)?;
    let like: Vec<&str> = id_like.split(' ').collect();
    list("os.id_like", &like, FEW, |what, id| word(what, id, WORD))?;
    word("os.version_id", version_id, WORD)?;
    word("os.version_codename", version_codename, WORD)
}

fn marker(marker: &Marker) -> Check {
    let Marker { cluster, uid, provider_version, replaces, renew_trigger, restored, packages_kept, adopted: _ } =
        marker;
    word("marker.cluster", cluster, NAME)?;
    word("marker.uid", uid.as_deref().unwrap_or_default(), WORD)?;
    word("marker.provider_version", provider_version, WORD)?;
    word("marker.replaces", replaces.as_deref().unwrap_or_default(), WORD)?;
    text("marker.renew_trigger", renew_trigger.as_deref().unwrap_or_default(), WORDS)?;
    text("marker.restored", restored.as_deref().unwrap_or_default(), WORDS)?;
    list("marker.packages_kept", packages_kept, FEW, |what, name| word(what, name, WORD))
}

fn package_versions(packages: &PackageVersions) -> Check {
    let PackageVersions { containerd, kubelet, kubeadm, kubectl } = packages;
    word("packages.containerd", containerd, WORD)?;
    word("packages.kubelet", kubelet, WORD)?;
    word("packages.kubeadm", kubeadm, WORD)?;
    word("packages.kubectl", kubectl, WORD)
}

fn kubernetes_files(kubernetes: &KubernetesFiles) -> Check {
    let KubernetesFiles {
        admin_conf: _,
        kubelet_conf: _,
        static_pods,
        images,
        components,
        etcd_data: _,
        ca_sha256,
        api_server,
    } = kubernetes;
    map("kubernetes.components", components, FEW, |what, component| {
        let ComponentFacts { arguments, mounts } = component;
        map(what, arguments, FILES, |what, value| text(what, value, WORDS))?;
        list(what, mounts, FILES, |what, name| text(what, name, NAME))
    })?;
    list("kubernetes.static_pods", static_pods, FILES, |what, name| text(what, name, PATH))?;
    map("kubernetes.images", images, FILES, |what, image| text(what, image, URL))?;
    word("kubernetes.ca_sha256", ca_sha256, WORD)?;
    word("kubernetes.api_server", api_server, URL)
}

fn configured_names(configured: &Configured) -> Check {
    let Configured { begun: _, arguments, mounts, files, salt, fingerprints } = configured;
    for names in [arguments, mounts] {
        map("configured", names, FEW, |what, names| list(what, names, FILES, |what, name| text(what, name, NAME)))?;
    }
    list("configured.files", files, FILES, |what, path| text(what, path, PATH))?;
    word("configured.salt", salt, WORD)?;
    map("configured.fingerprints", fingerprints, FILES, |what, hash| word(what, hash, WORD))
}

fn etcd_member(what: &str, member: &EtcdMember) -> Check {
    let EtcdMember { id, name, peer_urls, learner: _ } = member;
    word(what, id, WORD)?;
    word(what, name, NAME)?;
    list(what, peer_urls, FEW, |what, url| word(what, url, URL))
}

fn snapshot(snapshot: &Snapshot) -> Check {
    let Snapshot { name, cluster, cluster_uid, host, cause, content } = snapshot;
    let SnapshotContent { taken_at, revision: _, size, sha256, kubernetes_version, etcd_version } = content;
    for (what, value, most) in [
        ("name", name, NAME),
        ("cluster", cluster, NAME),
        ("cluster_uid", cluster_uid, WORD),
        ("host", host, NAME),
        ("taken_at", taken_at, WORD),
        ("sha256", sha256, WORD),
        ("kubernetes_version", kubernetes_version, WORD),
        ("etcd_version", etcd_version, NAME),
    ] {
        word(&format!("snapshots.{what}"), value, most)?;
    }
    if let SnapshotCause::Trigger(trigger) = cause {
        text("snapshots.cause", trigger, WORDS)?;
    }
    // etcd advises against more than 8 GiB. A copy fills the disk of the machine that runs Terraform.
    number("snapshots.size", *size, 64 << 30)
}

fn list<T>(what: &str, entries: &[T], most: usize, each: impl Fn(&str, &T) -> Check) -> Check {
    at_most(what, entries.len(), "entries", most)?;
    entries.iter().try_for_each(|entry| each(what, entry))
}

/// The keys are paths, or other names of files.
fn map<T>(what: &str, entries: &BTreeMap<String, T>, most: usize, each: impl Fn(&str, &T) -> Check) -> Check {
    at_most(what, entries.len(), "entries", most)?;
    entries.iter().try_for_each(|(name, value)| text(what, name, PATH).and_then(|()| each(what, value)))
}

/// A name or a number in characters: nothing that separates words, and nothing beyond ASCII.
fn word(what: &str, value: &str, most: usize) -> Check {
    text(what, value, most)?;
    match value.chars().find(|it| !it.is_ascii_graphic()) {
        None => Ok(()),
        Some(strange) => Err(format!("{what} has the character `{}`", strange.escape_default())),
    }
}

fn text(what: &str, value: &str, most: usize) -> Check {
    at_most(what, value.len(), "bytes", most)
}

fn at_most(what: &str, found: usize, of: &str, most: usize) -> Check {
    if found <= most { Ok(()) } else { Err(format!("{what} has {found} {of}, at most {most} are accepted")) }
}

fn number(what: &str, value: u64, most: u64) -> Check {
    if value <= most { Ok(()) } else { Err(format!("{what} is {value}, at most {most} is accepted")) }
}
