//! Snapshots of etcd: what is known of each, and which one is asked for next.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use kubeone_spec::{ClusterSpec, KubernetesVersion};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::observed::Observed;
use crate::plan::{Action, Lane};
use crate::restore;
use crate::standing::{Standing, standing};
use crate::wanted::Wanted;

/// Where they are on a host: `NAME.db`, and beside it `NAME.json`, which describes it.
pub(crate) const FOLDER: &str = "/var/backups/kubeone";

/// A snapshot, as the file beside it describes it. The description lies on every control plane, so that the loss of the
/// host with the snapshot is not taken for a wish to have another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Cluster, time, revision and version of Kubernetes; snapshots of one cluster sort by it like by time.
    #[serde(deserialize_with = "plain_name")]
    pub name: String,
    pub cluster: String,
    pub cluster_uid: String,
    /// The control plane that took it.
    pub host: String,
    pub cause: SnapshotCause,
    #[serde(flatten)]
    pub content: SnapshotContent,
}

/// What the host says of a snapshot it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotContent {
    /// RFC 3339 in UTC.
    pub taken_at: String,
    pub revision: u64,
    pub size: u64,
    pub sha256: String,
    pub kubernetes_version: String,
    /// Tag of etcd's image.
    pub etcd_version: String,
}

/// A snapshot that a host knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSnapshot {
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// Whether the snapshot itself is there, and not only its description.
    pub held: bool,
    /// Whether its copy on the machine that runs Terraform was wanted when it was taken, and is not made yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_copy: bool,
}

/// The file `NAME.json` on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    #[serde(flatten)]
    pub(crate) snapshot: Snapshot,
    /// The machine that runs Terraform is not always the same one, so it cannot be asked what it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) awaits_copy: bool,
}

/// Why a snapshot is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotCause {
    /// A new value of `backup.trigger`.
    Trigger(String),
    BeforeUpgrade(KubernetesVersion),
}

impl fmt::Display for SnapshotCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(value) => write!(f, "trigger `{value}`"),
            Self::BeforeUpgrade(version) => write!(f, "before the upgrade to {version}"),
        }
    }
}

/// The longest name of a cluster and the rest have fewer.
const LONGEST_NAME: usize = 200;

/// A name that a host or a file says. It becomes the name of files on other hosts and on the machine that runs Terraform,
/// so it must not lead out of their folders.
pub(crate) fn plain_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_plain(&name) { Ok(name) } else { Err(D::Error::custom("this is not the name of a snapshot")) }
}

pub(crate) fn is_plain(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    name.len() <= LONGEST_NAME && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_part)
}

impl Snapshot {
    /// Where it lies on the host that took it.
    pub(crate) fn database(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.db", self.name))
    }

    /// Where its description lies on every control plane.
    pub(crate) fn description(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.json", self.name))
    }
}

/// All snapshots of this cluster that any of its control planes knows of, oldest first.
pub(crate) fn known<'a>(wanted: &Wanted, observed: &'a Observed) -> Vec<&'a Snapshot> {
    let spec = &wanted.spec;
    let hosts = spec.control_plane.keys().filter(|name| is_ours(wanted, observed, name));
    let hosts = hosts.filter_map(|name| observed.facts(name));
    let snapshots = hosts.flat_map(|facts| &facts.snapshots).map(|held| &held.snapshot);
    let uid = observed.api_facts().map(|api| &api.cluster_uid);
    let ours = snapshots.filter(|it| it.cluster == spec.name && uid.is_none_or(|uid| it.cluster_uid == *uid));
    ours.map(|snapshot| (&snapshot.name, snapshot)).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn is_ours(wanted: &Wanted, observed: &Observed, name: &str) -> bool {
    matches!(standing(wanted, observed, name), Standing::Finished | Standing::Adoptable)
}

/// The value of `backup.trigger`, if no control plane remembers a snapshot that was taken for it. Snapshots that an
/// earlier cluster left on the hosts of a new one do not count.
pub(crate) fn wanted_by_trigger(wanted: &Wanted, observed: &Observed, is_new: bool) -> Option<SnapshotCause> {
    let cause = SnapshotCause::Trigger(wanted.spec.backup.trigger.clone()?);
    let taken = known(wanted, observed).iter().any(|snapshot| snapshot.cause == cause);
    (is_new || !taken).then_some(cause)
}

/// The lane that takes a snapshot on one control plane: the first one whose member of etcd votes, or else the first that
/// is finished, which then tells what is wrong with it. `begins` is the host of the first control plane of a new cluster.
pub(crate) fn snapshot_lane(wanted: &Wanted, observed: &Observed, cause: SnapshotCause, begins: Option<&str>) -> Lane {
    let names = || wanted.spec.control_plane.keys().map(String::as_str);
    let finished = |name: &&str| is_ours(wanted, observed, name);
    let votes = |name: &&str| {
        let members = restore::members(wanted, observed, name);
        members.iter().any(|member| member.name == *name && !member.learner)
    };
    let host = begins.or_else(|| names().filter(finished).find(votes)).or_else(|| names().find(finished));
    let Some(host) = host else { return Lane::new() };
    let copy = wanted.spec.backup.copy_to.clone().map(|to| copy(host, Vec::new(), to));
    [Action::TakeSnapshot { host: host.to_owned(), cause }].into_iter().chain(copy).collect()
}

/// One lane for each control plane with snapshots of this cluster whose copies an earlier run did not make.
pub(crate) fn copy_lanes(wanted: &Wanted, observed: &Observed) -> Vec<Lane> {
    let Some(to) = &wanted.spec.backup.copy_to else { return Vec::new() };
    let uid = observed.api_facts().map(|api| api.cluster_uid.as_str());
    let hosts = wanted.spec.control_plane.keys().filter(|name| is_ours(wanted, observed, name));
    let lanes = hosts.filter_map(|host| {
        let held = observed.facts(host)?.snapshots.iter();
        let names: Vec<_> =
            held.filter(|it| awaits_copy(&wanted.spec, it, uid)).map(|it| it.snapshot.name.clone()).collect();
        (!names.is_empty()).then(|| vec![copy(host, names, to.clone())])
    });
    lanes.collect()
}

fn copy(host: &str, snapshots: Vec<String>, to: String) -> Action {
    Action::CopySnapshots { host: host.to_owned(), snapshots, to }
}

/// Whether there is something to copy. Snapshots that another cluster left on its hosts are not ours to copy.
pub(crate) fn awaits_copy(spec: &ClusterSpec, held: &HeldSnapshot, uid: Option<&str>) -> bool {
    let is_ours = held.snapshot.cluster == spec.name && uid.is_none_or(|uid| held.snapshot.cluster_uid == uid);
    held.held && held.awaits_copy && is_ours
}

/// Which snapshots stay when one more was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) keep: Vec<String>,
    /// Only their descriptions stay: the trigger they were taken for would take another one.
    pub(crate) remember: Vec<String>,
}

/// `earlier` are those that anybody knows of, oldest first. The new one stays, whatever the clock of its host says.
pub(crate) fn retention(spec: &ClusterSpec, earlier: &[&Snapshot], new: &Snapshot) -> Retention {
    let earlier: Vec<_> = earlier.iter().copied().filter(|snapshot| snapshot.name != new.name).collect();
    let beside_it = usize::from(spec.backup.keep).saturating_sub(1);
    let (old, kept) = earlier.split_at(earlier.len().saturating_sub(beside_it));
    let names = |snapshots: &[&Snapshot]| snapshots.iter().map(|snapshot| snapshot.name.clone()).collect();
    let triggered = |snapshot: &&Snapshot| match &snapshot.cause {
        SnapshotCause::Trigger(value) => spec.backup.trigger.as_ref() == Some(value),
        SnapshotCause::BeforeUpgrade(_) => false,
    };
    let remembered: Vec<&Snapshot> = old.iter().copied().filter(triggered).collect();
    Retention { keep: names(&[kept, &[new]].concat()), remember: names(&remembered) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_does_not_lead_out_of_its_folder() {
        let read = |name: &str| {
            serde_json::from_value::<Snapshot>(json!({
                "name": name, "cluster": "prod", "cluster_uid": "uid", "host": "cp-1", "cause": { "trigger": "a" },
                "taken_at": "2026-01-02T03:04:05Z", "revision": 7, "size": 4, "sha256": "x",
                "kubernetes_version": "1.35.4", "etcd_version": "3.6.6-0",
            }))
        };
        assert!(read("prod-20260102T030405Z-r7-v1.35.4").is_ok());
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "-rf",
            "a/b",
            "../../../etc/cni/net.d/x",
            "/etc/cron.d/x",
            "a\\b",
            "a b",
            "a\nb",
            "a\u{1b}[2J",
            "a\0b",
            "é",
            &"a".repeat(LONGEST_NAME + 1),
        ] {
            let error = read(name).unwrap_err().to_string();
            assert!(error.starts_with("this is not the name of a snapshot"), "{name}: {error}");
        }
    }
}
