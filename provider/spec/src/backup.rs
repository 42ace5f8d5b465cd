//! Snapshots of etcd: when they are taken, and what becomes of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterSpec, FieldPath, Finding};

/// Snapshots of etcd, which hold everything the Kubernetes API knows. They are kept on the control plane that took
/// them, in `/var/backups/kubeone`, for root only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Any new value takes a snapshot at the next apply, such as the `id` of a `time_rotating`. The control planes
    /// remember the value, so a snapshot that was lost is not taken again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// How many snapshots are kept. Older ones are removed once a new one is verified.
    #[schemars(range(min = 1))]
    pub keep: u16,
    /// Take a snapshot before Kubernetes is upgraded.
    pub before_upgrade: bool,
    /// Folder on the machine that runs Terraform to which each new snapshot is copied. Nothing is ever removed from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<String>,
    /// Public keys of [age](https://age-encryption.org) (`age1…`). With them the copy is encrypted for their owners, and
    /// holds the keys of the cluster, too: all that a restore onto fresh hosts needs. Without them the copy is the plain
    /// snapshot, which holds every Secret of the cluster, and such a restore is not possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

impl Default for Backup {
    fn default() -> Self {
        Self { trigger: None, keep: 5, before_upgrade: true, copy_to: None, recipients: Vec::new() }
    }
}

/// What is wrong with the settings for backups.
pub(crate) fn findings(spec: &ClusterSpec) -> Vec<Finding> {
    let backup = &spec.backup;
    let path = |field| FieldPath::root("backup").field(field);
    let mut findings = Vec::new();
    if backup.trigger.as_deref() == Some("") {
        findings.push(Finding::error(
            path("trigger"),
            "the trigger is empty",
            "Any text but this one takes a snapshot when it is new; leave the attribute away to take none.",
        ));
    }
    if backup.keep == 0 {
        findings.push(Finding::error(
            path("keep"),
            "no snapshot would be kept",
            "Keep at least 1: a snapshot that is removed at once is of no use.",
        ));
    }
    if backup.copy_to.as_deref() == Some("") {
        findings.push(Finding::error(
            path("copy_to"),
            "the folder has no name",
            "Write the path of a folder on the machine that runs Terraform.",
        ));
    }
    if backup.copy_to.is_none() && !backup.recipients.is_empty() {
        findings.push(Finding::error(
            path("recipients"),
            "there are recipients and no copy that could be encrypted for them",
            "Set `backup.copy_to`. Snapshots on the hosts are not encrypted: the data of etcd lie beside them.",
        ));
    }
    for (number, recipient) in backup.recipients.iter().enumerate() {
        if !is_age_recipient(recipient) {
            findings.push(Finding::error(
                path("recipients").index(number),
                format!("`{recipient}` is not a public key of age"),
                "`age-keygen` prints it behind `Public key:`, such as \
                 `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`.",
            ));
        }
    }
    findings
}

/// The form only; whether its checksum is right is found when it is used.
fn is_age_recipient(text: &str) -> bool {
    let alphabet = |byte: u8| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&byte);
    text.strip_prefix("age1").is_some_and(|data| data.len() == 58 && data.bytes().all(alphabet))
}
