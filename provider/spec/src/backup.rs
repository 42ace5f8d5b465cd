//! etcd snapshots: when they are taken, and where they are kept.

use bech32::{FromBase32 as _, Variant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BackupSettings, ClusterSpec, FieldPath, Finding};

/// etcd snapshots, which contain everything that the Kubernetes API stores. They are kept on the control plane that
/// took them, in `/var/backups/kubeone`, readable only by root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Any new value takes a snapshot at the next apply, such as the `id` of a `time_rotating`. The control planes
    /// remember the value, so a lost snapshot is not taken again on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// How many snapshots are kept. Older ones are removed once a new one is verified.
    #[schemars(range(min = 1))]
    pub keep: u16,
    /// Take a snapshot before a Kubernetes upgrade.
    pub before_upgrade: bool,
    /// Folder on the machine that runs Terraform to which each new snapshot is copied. It is created if it does not
    /// exist, and nothing is ever removed from it. A leading `~` is the home directory of the user who runs Terraform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_to: Option<String>,
    /// Public keys of [age](https://age-encryption.org) (`age1…`). With them, the copy is one file `NAME.age`,
    /// encrypted for the owners of the keys, which also contains the keys of the cluster: all that a restore to fresh
    /// hosts needs. Without them, the copy is the plain snapshot `NAME.db`, which contains every Secret of the cluster,
    /// and its description `NAME.json`, and a restore to fresh hosts is not possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

impl Default for Backup {
    fn default() -> Self {
        Self { trigger: None, keep: 5, before_upgrade: true, copy_to: None, recipients: Vec::new() }
    }
}

/// Errors in the settings of backups.
pub(crate) fn findings(spec: &ClusterSpec) -> Vec<Finding> {
    let backup = &spec.backup;
    let path = |field| FieldPath::root("backup").field(field);
    let mut findings = Vec::new();
    if backup.trigger.as_deref() == Some("") {
        findings.push(Finding::error(
            path("trigger"),
            "the trigger is empty",
            "Any other new value takes a snapshot. Remove the attribute to take none.",
        ));
    }
    if backup.keep == 0 {
        findings.push(Finding::error(path("keep"), "no snapshot would be kept", "Keep at least 1."));
    }
    if backup.copy_to.as_deref() == Some("") {
        findings.push(Finding::error(
            path("copy_to"),
            "`copy_to` is empty",
            "Write the path of a folder on the machine that runs Terraform.",
        ));
    }
    if backup.copy_to.is_none() && !backup.recipients.is_empty() {
        findings.push(Finding::error(
            path("recipients"),
            "`recipients` is set, but no copies are made that could be encrypted",
            "Set `backup.copy_to`. Snapshots on the hosts are not encrypted, because the data of etcd is on the same disk.",
        ));
    }
    for (number, recipient) in backup.recipients.iter().enumerate() {
        if !is_age_key(recipient, RECIPIENT_PREFIX) {
            findings.push(Finding::error(
                path("recipients").index(number),
                format!("`{recipient}` is not an age public key"),
                "`age-keygen` prints it after `Public key:`, such as \
                 `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`.",
            ));
        }
    }
    findings
}

/// Errors in the settings of keys that decrypt copies.
pub(crate) fn settings_findings(settings: &BackupSettings) -> Vec<Finding> {
    let path = |field| FieldPath::root("backup").field(field);
    let mut findings = Vec::new();
    if settings.identity.is_some() && settings.identity_file.is_some() {
        findings.push(Finding::error(
            path("identity_file"),
            "both `identity` and `identity_file` are set",
            "Keep one: `identity` is the key itself, `identity_file` is the path of a file that contains it.",
        ));
    }
    if let Some(identity) = &settings.identity
        && !is_age_key(identity.expose().trim(), IDENTITY_PREFIX)
    {
        findings.push(Finding::error(
            path("identity"),
            "this is not an age private key",
            "Write the line of `age-keygen`'s output that begins with `AGE-SECRET-KEY-1`, or set `identity_file` to the path \
             of its file.",
        ));
    }
    if settings.identity_file.as_deref() == Some("") {
        findings.push(Finding::error(
            path("identity_file"),
            "`identity_file` is empty",
            "Write the path of a file on the machine that runs Terraform.",
        ));
    }
    findings
}

const RECIPIENT_PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";
const KEY_BYTES: usize = 32;

/// Also verifies the checksum, so that a mistyped key is reported before a copy is encrypted for it.
fn is_age_key(text: &str, prefix: &str) -> bool {
    let Ok((found, data, Variant::Bech32)) = bech32::decode(text) else { return false };
    found == prefix && Vec::<u8>::from_base32(&data).is_ok_and(|key| key.len() == KEY_BYTES)
}

#[cfg(test)]
mod tests {
    use bech32::ToBase32 as _;
    use serde_json::{Value, json};

    use super::*;

    fn key(prefix: &str, bytes: &[u8]) -> String {
        bech32::encode(prefix, bytes.to_base32(), Variant::Bech32).unwrap()
    }

    #[track_caller]
    fn check(settings: Value, expected: &[&str]) {
        let found = settings_findings(&serde_json::from_value(settings).unwrap());
        let found: Vec<_> = found.iter().map(|it| format!("{}: {}", it.path, it.summary)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn private_keys_are_checked_and_not_repeated() {
        let good = key(IDENTITY_PREFIX, &[7; 32]).to_uppercase();
        let refused = ["backup.identity: this is not an age private key"];
        check(json!({}), &[]);
        check(json!({ "identity": good }), &[]);
        check(json!({ "identity": format!("{good}\n") }), &[]);
        check(json!({ "identity_file": "~/key" }), &[]);
        check(json!({ "identity_file": "" }), &["backup.identity_file: `identity_file` is empty"]);
        check(json!({ "identity": good.replace('7', "8").replacen('Q', "P", 1) }), &refused);
        check(json!({ "identity": key(RECIPIENT_PREFIX, &[7; 32]) }), &refused);
        check(json!({ "identity": key(IDENTITY_PREFIX, &[7; 31]) }), &refused);
        let both = ["backup.identity_file: both `identity` and `identity_file` are set"];
        check(json!({ "identity": good, "identity_file": "key" }), &both);
    }

    #[test]
    fn a_mistyped_recipient_is_found() {
        let good = key(RECIPIENT_PREFIX, &[7; 32]);
        assert!(is_age_key(&good, RECIPIENT_PREFIX));
        for position in 4..good.len() {
            let other = if good.as_bytes()[position] == b'q' { "p" } else { "q" };
            let mut wrong = good.clone();
            wrong.replace_range(position..=position, other);
            assert!(!is_age_key(&wrong, RECIPIENT_PREFIX), "{wrong}");
        }
    }
}
