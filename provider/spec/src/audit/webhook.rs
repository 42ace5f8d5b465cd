//! The service that receives audit events.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FieldPath, Finding, Secret, Span};

/// A service that receives audit events over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditWebhook {
    /// Kubeconfig as YAML or JSON that says how the API servers reach the service and log in to it. Required.
    /// Certificates and keys must be in it (`certificate-authority-data`, `client-key-data`): files and programs that
    /// it names would not exist inside the API server's container. The state does not keep it, which needs Terraform or
    /// OpenTofu 1.11.
    #[serde(skip_serializing)]
    #[schemars(extend("x-sensitive" = true, "x-write-only" = true))]
    pub kubeconfig: Option<Secret<String>>,
    /// `batch` sends events in the background, many at a time; when the service cannot keep up, events are dropped.
    /// `blocking` sends each event before the API server answers the request, so every request waits for the service;
    /// when the service fails, the request succeeds nevertheless.
    pub mode: AuditWebhookMode,
    /// How long to wait before a failed call is tried again. The time grows with each further attempt.
    pub initial_backoff: Span,
    /// How many events are sent at once, up to 10000. Kubernetes' default is 400. Only for `mode = "batch"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_max_size: Option<u32>,
    /// How long to wait for a batch to fill up before it is sent, such as `5s`. Kubernetes' default is `30s`. Only for
    /// `mode = "batch"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_max_wait: Option<Span>,
    /// Cut events down to 100 KiB and split batches at 10 MiB, for services that refuse larger ones. Without it, large
    /// events are sent whole.
    pub truncate: bool,
}

impl Default for AuditWebhook {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            mode: AuditWebhookMode::Batch,
            initial_backoff: Span(Duration::from_secs(10)),
            batch_max_size: None,
            batch_max_wait: None,
            truncate: false,
        }
    }
}

/// When the API server sends events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AuditWebhookMode {
    #[default]
    Batch,
    Blocking,
}

/// The API server buffers 10000 events, so a larger batch would never be full.
const BATCH: RangeInclusive<u32> = 1..=10_000;
/// What a kubeconfig may name that is not in the API server's container, and what to write in its place.
const ELSEWHERE: [(&str, &str); 6] = [
    ("certificate-authority", "`certificate-authority-data`"),
    ("client-certificate", "`client-certificate-data`"),
    ("client-key", "`client-key-data`"),
    ("tokenFile", "`token`"),
    ("exec", "`token` or a client certificate"),
    ("auth-provider", "`token` or a client certificate"),
];

pub(super) fn findings(webhook: &AuditWebhook) -> Vec<Finding> {
    let path = |field| FieldPath::root("audit").field("webhook").field(field);
    let fault = match &webhook.kubeconfig {
        None => Some(("the webhook has no kubeconfig".to_owned(), FORM.to_owned())),
        Some(kubeconfig) => fault(kubeconfig.expose()),
    };
    let fault = fault.map(|(summary, detail)| Finding::error(path("kubeconfig"), summary, detail));
    let mut findings: Vec<_> = fault.into_iter().collect();
    if let Some(size) = webhook.batch_max_size.filter(|size| !BATCH.contains(size)) {
        findings.push(Finding::error(
            path("batch_max_size"),
            format!("`batch_max_size` cannot be {size}"),
            format!("Write a number from {} to {}.", BATCH.start(), BATCH.end()),
        ));
    }
    let of_batches =
        [("batch_max_size", webhook.batch_max_size.is_some()), ("batch_max_wait", webhook.batch_max_wait.is_some())];
    for (field, _) in of_batches.into_iter().filter(|(_, is_set)| *is_set && webhook.mode != AuditWebhookMode::Batch) {
        let finding = Finding::error(
            path(field),
            format!("`{field}` has no effect with `mode = \"blocking\"`"),
            "Remove it, or write `mode = \"batch\"`.",
        );
        findings.push(finding.derived_from(path("mode")));
    }
    findings
}

const FORM: &str = "Write a kubeconfig with `current-context`, its context, and a cluster with the `server` that receives the \
                    events.";

/// What is wrong, and what would be right. Neither repeats the kubeconfig, which may hold credentials.
fn fault(kubeconfig: &str) -> Option<(String, String)> {
    let invalid = |summary: &str| Some((summary.to_owned(), FORM.to_owned()));
    let Ok(kubeconfig) = serde_saphyr::from_str::<Value>(kubeconfig) else {
        return invalid("this is not a kubeconfig");
    };
    for inner in ["cluster", "user"] {
        let entries = kubeconfig[format!("{inner}s")].as_array().into_iter().flatten();
        for (number, entry) in entries.enumerate() {
            if let Some((field, instead)) = ELSEWHERE.iter().find(|(field, _)| entry[inner].get(field).is_some()) {
                return Some((
                    format!("`{inner}s[{number}].{inner}.{field}` does not work inside the API server's container"),
                    format!("Write {instead} in its place."),
                ));
            }
        }
    }
    let context = named(&kubeconfig, "context", &kubeconfig["current-context"]);
    let cluster = context.and_then(|context| named(&kubeconfig, "cluster", &context["cluster"]));
    match cluster.and_then(|cluster| cluster["server"].as_str()) {
        Some(server) if server.starts_with("https://") => None,
        Some(_) => invalid("the `server` of the kubeconfig is not an `https://` URL"),
        None => invalid("the kubeconfig does not lead to a server"),
    }
}

/// The entry of this name in one of the lists of a kubeconfig.
fn named<'a>(kubeconfig: &'a Value, kind: &str, name: &Value) -> Option<&'a Value> {
    let entries = kubeconfig[format!("{kind}s")].as_array()?;
    entries.iter().find(|entry| name.is_string() && entry["name"] == *name).map(|entry| &entry[kind])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        apiVersion: v1
        kind: Config
        current-context: audit
        contexts: [{ name: audit, context: { cluster: sink, user: api } }]
        clusters: [{ name: sink, cluster: { server: "https://audit.example.com/events" } }]
        users: [{ name: api, user: { token: hunter2 } }]
    "#;

    #[track_caller]
    fn check(kubeconfig: &str, expected: &str) {
        let (summary, detail) = fault(kubeconfig).unwrap_or_default();
        assert_eq!(summary, expected, "{kubeconfig}");
        assert!(!format!("{summary}{detail}").contains("hunter2"), "{summary} {detail}");
    }

    #[test]
    fn kubeconfigs_are_checked_and_not_repeated() {
        check(GOOD, "");
        for text in ["", "hunter2: [", "hunter2"] {
            let expected = if text == "hunter2: [" {
                "this is not a kubeconfig"
            } else {
                "the kubeconfig does not lead to a server"
            };
            check(text, expected);
        }
        let leads_nowhere = "the kubeconfig does not lead to a server";
        check(&GOOD.replace("current-context: audit", ""), leads_nowhere);
        check(&GOOD.replace("current-context: audit", "current-context: hunter2"), leads_nowhere);
        check(&GOOD.replace("cluster: sink", "cluster: hunter2"), leads_nowhere);
        check(&GOOD.replace("https", "http"), "the `server` of the kubeconfig is not an `https://` URL");
        let inside = "does not work inside the API server's container";
        check(&GOOD.replace("token:", "tokenFile:"), &format!("`users[0].user.tokenFile` {inside}"));
        check(&GOOD.replace("token: hunter2", "exec: {}"), &format!("`users[0].user.exec` {inside}"));
        let with_ca = GOOD.replace("{ server", "{ certificate-authority: /hunter2, server");
        check(&with_ca, &format!("`clusters[0].cluster.certificate-authority` {inside}"));
    }
}
