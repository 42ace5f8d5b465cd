//! The audit log of the Kubernetes API: what is recorded, and where it goes.

mod policy;
mod webhook;

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FieldPath, Finding};

pub use webhook::{AuditWebhook, AuditWebhookMode};

/// The audit log of the API servers: who did what, when, and from where. A change restarts the API servers, one control
/// plane at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// What is recorded: a `Policy` of `audit.k8s.io/v1` as YAML or JSON, up to 256 KiB. When unset, the provider's
    /// default policy applies, which never records the content of Secrets, ConfigMaps and tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The log file on each control plane.
    #[serde(skip_serializing_if = "AuditLog::is_default")]
    pub log: AuditLog,
    /// A service that receives the events over HTTPS. When unset, no events are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<AuditWebhook>,
}

/// The audit log on each control plane: `/var/log/kubernetes/audit/audit.log`. Each API server records the requests
/// that it served itself, so the whole record is spread over all control planes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditLog {
    /// Whether events are written to the log file. `false` needs a `webhook`.
    pub enabled: bool,
    /// How many days rotated files are kept.
    #[schemars(range(min = 1))]
    pub max_age_days: u32,
    /// How many rotated files are kept. Together with the current file they use up to
    /// `(max_backups + 1) * max_size_mib` MiB of each control plane's disk.
    #[schemars(range(min = 1))]
    pub max_backups: u32,
    /// Size in MiB at which the file is rotated.
    #[schemars(range(min = 1))]
    pub max_size_mib: u32,
    /// Format of the file: `json` writes each event as one JSON object per line; `legacy` writes one line of text per
    /// event, without the bodies of requests and responses.
    pub format: AuditLogFormat,
}

impl Default for AuditLog {
    fn default() -> Self {
        Self { enabled: true, max_age_days: 30, max_backups: 10, max_size_mib: 100, format: AuditLogFormat::Json }
    }
}

impl AuditLog {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Format of the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AuditLogFormat {
    #[default]
    Json,
    Legacy,
}

/// The API server counts the age in nanoseconds of 64 bits, which end after 292 years.
const DAYS: RangeInclusive<u32> = 1..=36_500;
const BACKUPS: RangeInclusive<u32> = 1..=10_000;
const MIB: RangeInclusive<u32> = 1..=100_000;

pub(crate) fn findings(audit: &Audit) -> Vec<Finding> {
    let path = FieldPath::root("audit");
    let log = path.clone().field("log");
    let mut findings: Vec<_> = audit.policy.as_deref().and_then(policy::finding).into_iter().collect();
    if !audit.log.enabled && audit.webhook.is_none() {
        let finding = Finding::error(
            log.clone().field("enabled"),
            "audit events would go nowhere",
            "Enable `audit.log`, set `audit.webhook`, or remove `audit` to turn auditing off.",
        );
        findings.push(finding.derived_from(path.field("webhook")));
    }
    let numbers = [
        ("max_age_days", audit.log.max_age_days, DAYS),
        ("max_backups", audit.log.max_backups, BACKUPS),
        ("max_size_mib", audit.log.max_size_mib, MIB),
    ];
    for (field, value, range) in numbers {
        if !range.contains(&value) {
            findings.push(Finding::error(
                log.clone().field(field),
                format!("`{field}` cannot be {value}"),
                format!("Write a number from {} to {}.", range.start(), range.end()),
            ));
        }
    }
    findings.extend(audit.webhook.iter().flat_map(webhook::findings));
    findings
}
