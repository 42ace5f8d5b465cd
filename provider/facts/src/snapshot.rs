//! Snapshots of etcd, as the files beside them describe them.

use std::fmt;
use std::path::{Path, PathBuf};

use kubeone_spec::KubernetesVersion;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Where they are on a host: `NAME.db`, and beside it `NAME.json`, which describes it.
pub const FOLDER: &str = "/var/backups/kubeone";

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
pub struct Description {
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// The machine that runs Terraform is not always the same one, so it cannot be asked what it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_copy: bool,
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
pub fn plain_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_plain(&name) { Ok(name) } else { Err(D::Error::custom("this is not the name of a snapshot")) }
}

pub fn is_plain(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    name.len() <= LONGEST_NAME && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_part)
}

impl Snapshot {
    /// Where it lies on the host that took it.
    pub fn database(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.db", self.name))
    }

    /// Where its description lies on every control plane.
    pub fn description(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.json", self.name))
    }
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
