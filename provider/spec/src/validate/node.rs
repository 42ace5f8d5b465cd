//! Validation of the labels, annotations and taints of a node.

use crate::{FieldPath, Finding, HostSpec};

/// Labels that the kubelet sets, and resets when they are changed.
const OF_THE_KUBELET: [&str; 3] = ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"];
/// The label that marks control planes; the map that lists the host decides about it.
const OF_KUBEADM: &str = "node-role.kubernetes.io/control-plane";
/// Taints that Kubernetes' own controllers add and remove.
const OF_CONTROLLERS: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
/// The API server accepts annotations up to this many bytes of keys and values.
const ANNOTATIONS: usize = 256 << 10;
/// Prefix of this provider's own annotations.
const OURS: &str = "kubeone/";

pub(super) fn findings(host: &HostSpec, path: &FieldPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (label, value) in &host.labels {
        let path = path.clone().field("labels").key(label);
        if OF_THE_KUBELET.contains(&label.as_str()) || label == OF_KUBEADM {
            let summary = format!("the label `{label}` cannot be set");
            findings.push(Finding::error(path, summary, "The kubelet or kubeadm sets it. Remove it."));
        } else {
            findings.extend(key(label, &path));
            findings.extend(label_value(value, &path));
        }
    }
    for annotation in host.annotations.keys() {
        let path = path.clone().field("annotations").key(annotation);
        if annotation.starts_with(OURS) {
            let summary = format!("the annotation `{annotation}` cannot be set");
            findings.push(Finding::error(
                path,
                summary,
                "Annotations with this prefix belong to the provider. Remove it.",
            ));
        } else {
            findings.extend(key(annotation, &path));
        }
    }
    let size: usize = host.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS {
        findings.push(Finding::error(
            path.clone().field("annotations"),
            format!("the annotations are {size} bytes long"),
            format!("Kubernetes accepts at most {ANNOTATIONS} bytes of keys and values."),
        ));
    }
    findings.extend(taints(host, path));
    findings
}

fn taints(host: &HostSpec, path: &FieldPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    let taints = host.taints.as_deref().unwrap_or_default();
    for (number, taint) in taints.iter().enumerate() {
        let path = path.clone().field("taints").index(number);
        if OF_CONTROLLERS.iter().any(|prefix| taint.key.starts_with(prefix)) {
            findings.push(Finding::error(
                path.clone().field("key"),
                format!("the taint `{}` cannot be set", taint.key),
                "Kubernetes' own controllers add and remove it. Remove it here.",
            ));
        }
        findings.extend(key(&taint.key, &path.clone().field("key")));
        findings.extend(taint.value.as_ref().and_then(|value| label_value(value, &path.clone().field("value"))));
        if taints[..number].iter().any(|earlier| earlier.takes_the_place_of(taint)) {
            findings.push(Finding::error(
                path,
                format!("the taint `{}` is listed twice with this effect", taint.key),
                "A node can have one taint per key and effect.",
            ));
        }
    }
    findings
}

/// The key of a label, an annotation or a taint: a name, with an optional domain before it.
fn key(key: &str, path: &FieldPath) -> Option<Finding> {
    let (domain, name) = key.split_once('/').map_or((None, key), |(domain, name)| (Some(domain), name));
    let is_domain = |domain: &str| domain.len() <= 253 && domain.split('.').all(super::is_dns_label_or_number);
    if is_name(name) && domain.is_none_or(is_domain) {
        return None;
    }
    Some(Finding::error(
        path.clone(),
        format!("`{key}` is not a valid key"),
        "Use at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit. A domain and `/` may \
         precede them, such as `example.com/pool`.",
    ))
}

fn label_value(value: &str, path: &FieldPath) -> Option<Finding> {
    if value.is_empty() || is_name(value) {
        return None;
    }
    Some(Finding::error(
        path.clone(),
        format!("`{value}` is not a valid value"),
        "Use at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, or leave it empty.",
    ))
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.len() <= 63 && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inside)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(settings: &Value) -> Vec<String> {
        let mut host = json!({ "address": "10.0.0.1" });
        host.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let host = serde_json::from_value(host).unwrap();
        let path = FieldPath::root("static_workers").key("w-1");
        let text =
            |it: Finding| format!("{}: {}", it.path.to_string().replace("static_workers[\"w-1\"].", ""), it.summary);
        findings(&host, &path).into_iter().map(text).collect()
    }

    #[test]
    fn what_kubernetes_accepts_has_no_findings() {
        let settings = json!({
            "labels": { "pool": "general", "topology.kubernetes.io/zone": "a", "node-role.kubernetes.io/worker": "" },
            "annotations": { "example.com/note": "anything at all: {}" },
            "taints": [
                { "key": "dedicated", "value": "db", "effect": "NoSchedule" },
                { "key": "dedicated", "value": "db", "effect": "NoExecute" },
            ],
        });
        assert_eq!(of(&settings), Vec::<String>::new());
    }

    #[test]
    fn what_it_refuses_is_named_with_its_path() {
        let cases = [
            (json!({ "labels": { "-pool": "a" } }), r#"labels["-pool"]: `-pool` is not a valid key"#),
            (
                json!({ "labels": { "UPPER.com/pool": "a" } }),
                r#"labels["UPPER.com/pool"]: `UPPER.com/pool` is not a valid key"#,
            ),
            (json!({ "labels": { "pool": "two words" } }), r#"labels["pool"]: `two words` is not a valid value"#),
            (
                json!({ "labels": { "kubernetes.io/hostname": "x" } }),
                r#"labels["kubernetes.io/hostname"]: the label `kubernetes.io/hostname` cannot be set"#,
            ),
            (
                json!({ "annotations": { "kubeone/cordoned": "" } }),
                r#"annotations["kubeone/cordoned"]: the annotation `kubeone/cordoned` cannot be set"#,
            ),
            (json!({ "annotations": { "a/b/c": "" } }), r#"annotations["a/b/c"]: `a/b/c` is not a valid key"#),
            (
                json!({ "taints": [{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }] }),
                "taints[0].key: the taint `node.kubernetes.io/unschedulable` cannot be set",
            ),
            (
                json!({ "taints": [{ "key": "a", "effect": "NoSchedule" }, { "key": "a", "value": "b", "effect": "NoSchedule" }] }),
                "taints[1]: the taint `a` is listed twice with this effect",
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(of(&settings), [expected]);
        }
    }
}
