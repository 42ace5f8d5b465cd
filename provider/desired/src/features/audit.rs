//! The audit log of the API servers.

use kubeone_spec::{Audit, AuditLog, AuditLogFormat, AuditWebhook, AuditWebhookMode, ClusterSpec};

use crate::control_plane::{Component, Content, ControlPlane, Mount, MountKind};

const POLICY: &str = "/etc/kubernetes/kubeone-files/audit-policy.yaml";
const WEBHOOK: &str = "/etc/kubernetes/kubeone-files/audit-webhook.yaml";
/// The folder of the log; the API server rotates its files.
const FOLDER: &str = "/var/log/kubernetes/audit";
const DEFAULT_POLICY: &str = include_str!("audit/default-policy.yaml");

pub(crate) fn contribute(spec: &ClusterSpec, desired: &mut ControlPlane) {
    let Some(Audit { policy, log, webhook }) = &spec.audit else { return };
    let policy = policy.as_deref().unwrap_or(DEFAULT_POLICY);
    desired.argument(Component::ApiServer, "audit-policy-file", POLICY);
    desired.file(Component::ApiServer, "audit-policy", POLICY, Content::Public(policy.to_owned()));
    if log.enabled {
        write_log(log, desired);
    }
    if let Some(webhook) = webhook {
        send_events(webhook, desired);
    }
}

fn write_log(log: &AuditLog, desired: &mut ControlPlane) {
    let format = match log.format {
        AuditLogFormat::Json => "json",
        AuditLogFormat::Legacy => "legacy",
    };
    for (name, value) in [
        ("audit-log-path", format!("{FOLDER}/audit.log")),
        ("audit-log-maxage", log.max_age_days.to_string()),
        ("audit-log-maxbackup", log.max_backups.to_string()),
        ("audit-log-maxsize", log.max_size_mib.to_string()),
        ("audit-log-format", format.to_owned()),
    ] {
        desired.argument(Component::ApiServer, name, value);
    }
    let folder = Mount { name: "audit-log", path: FOLDER, read_only: false, kind: MountKind::Directory };
    desired.mount(Component::ApiServer, folder);
}

fn send_events(webhook: &AuditWebhook, desired: &mut ControlPlane) {
    let mode = match webhook.mode {
        AuditWebhookMode::Batch => "batch",
        AuditWebhookMode::Blocking => "blocking",
    };
    let backoff = format!("{}s", webhook.initial_backoff.0.as_secs());
    desired.argument(Component::ApiServer, "audit-webhook-config-file", WEBHOOK);
    desired.argument(Component::ApiServer, "audit-webhook-mode", mode);
    desired.argument(Component::ApiServer, "audit-webhook-initial-backoff", backoff);
    if let Some(size) = webhook.batch_max_size {
        desired.argument(Component::ApiServer, "audit-webhook-batch-max-size", size.to_string());
    }
    if let Some(wait) = webhook.batch_max_wait {
        desired.argument(Component::ApiServer, "audit-webhook-batch-max-wait", format!("{}s", wait.0.as_secs()));
    }
    if webhook.truncate {
        desired.argument(Component::ApiServer, "audit-webhook-truncate-enabled", "true");
    }
    desired.secret_file(Component::ApiServer, "audit-webhook", WEBHOOK, webhook.kubeconfig.clone());
}
