//! What is wrong with an audit policy: the API server would not start with it, or would record something else.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{FieldPath, Finding};

const LARGEST: usize = 256 << 10;

pub(super) fn finding(text: &str) -> Option<Finding> {
    let path = FieldPath::root("audit").field("policy");
    if text.len() > LARGEST {
        let summary = format!("the audit policy has {} bytes", text.len());
        return Some(Finding::error(path, summary, format!("Write at most {LARGEST} bytes.")));
    }
    let policy: Policy = match serde_saphyr::from_str(text) {
        Ok(policy) => policy,
        Err(error) => {
            let summary = "this is not a `Policy` of `audit.k8s.io/v1`";
            return Some(Finding::error(path, summary, format!("{}.", error.without_snippet())));
        }
    };
    if policy.rules.is_empty() {
        return Some(Finding::error(
            path,
            "the audit policy has no rules",
            "Write at least one rule, such as `level: Metadata`.",
        ));
    }
    let both = policy.rules.iter().position(|rule| rule.resources.is_some() && rule.non_resource_urls.is_some())?;
    Some(Finding::error(
        path,
        format!("`rules[{both}]` of the audit policy has both `resources` and `nonResourceURLs`"),
        "Split it into two rules.",
    ))
}

/// Unknown fields are refused: the API server ignores them, and a rule with a mistyped condition applies to all
/// requests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "most fields only need the right shape")]
struct Policy {
    api_version: ApiVersion,
    kind: Kind,
    metadata: Option<IgnoredAny>,
    rules: Vec<Rule>,
    omit_stages: Option<Vec<Stage>>,
    omit_managed_fields: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "most fields only need the right shape")]
struct Rule {
    level: Level,
    users: Option<Vec<String>>,
    user_groups: Option<Vec<String>>,
    verbs: Option<Vec<String>>,
    resources: Option<Vec<Selector>>,
    namespaces: Option<Vec<String>>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Option<Vec<String>>,
    omit_stages: Option<Vec<Stage>>,
    omit_managed_fields: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "its fields only need the right shape")]
struct Selector {
    group: Option<String>,
    resources: Option<Vec<String>>,
    resource_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
enum ApiVersion {
    #[serde(rename = "audit.k8s.io/v1")]
    V1,
}

#[derive(Deserialize)]
enum Kind {
    Policy,
}

#[derive(Deserialize)]
enum Level {
    None,
    Metadata,
    Request,
    RequestResponse,
}

#[derive(Deserialize)]
enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

    #[track_caller]
    fn check(policy: &str, expected: &str) {
        let found = finding(policy).map(|it| format!("{}: {} {}", it.path, it.summary, it.detail));
        let found = found.unwrap_or_default();
        assert!(if expected.is_empty() { found.is_empty() } else { found.contains(expected) }, "{policy}\n{found}");
    }

    #[test]
    fn policies_of_the_api_server_are_accepted() {
        let full = r#"
            # YAML comments are fine.
            omitStages: ["RequestReceived"]
            omitManagedFields: true
            metadata: { name: default, creationTimestamp: null }
            rules:
            - level: None
              users: ["system:kube-proxy"]
              verbs: ["watch"]
              resources: [{ group: "", resources: ["endpoints", "services"], resourceNames: null }]
            - level: None
              userGroups: ["system:nodes"]
              nonResourceURLs: ["/healthz*"]
            - level: RequestResponse
              namespaces: ["kube-system"]
              resources: [{ group: apps }]
              omitStages: ["ResponseStarted", "ResponseComplete", "Panic"]
              omitManagedFields: false
            - level: Request
            - level: Metadata
        "#
        .replace("\n            ", "\n");
        check(&format!("{HEAD}{full}"), "");
        check(r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}"#, "");
    }

    #[test]
    fn what_the_api_server_refuses_is_named() {
        let rules = |rules: &str| format!("{HEAD}rules:\n{rules}\n");
        let head = |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nrules:\n- level: Metadata\n");
        for (policy, expected) in [
            (String::new(), "audit.policy: this is not a `Policy`"),
            ("rules".to_owned(), "this is not a `Policy`"),
            ("a: [".to_owned(), "this is not a `Policy`"),
            (head("audit.k8s.io/v1beta1", "Policy"), "audit.k8s.io/v1beta1"),
            (head("audit.k8s.io/v1", "Event"), "Event"),
            (HEAD.to_owned(), "rules"),
            (rules(" []"), "the audit policy has no rules"),
            (rules("- level: metadata"), "metadata"),
            (rules("- users: [a]"), "level"),
            (rules("- level: None\n  resource: []"), "resource"),
            (rules("- level: None\n  omitStages: [Never]"), "Never"),
            (
                rules("- level: None\n- level: None\n  resources: []\n  nonResourceURLs: [/]"),
                "`rules[1]` of the audit policy has both",
            ),
        ] {
            check(&policy, expected);
        }
    }

    #[test]
    fn the_largest_policy_has_256_kib() {
        let policy = |size: usize| {
            let text = format!("{HEAD}rules:\n- level: Metadata\n#");
            format!("{text}{}", "x".repeat(size - text.len()))
        };
        check(&policy(LARGEST), "");
        check(&policy(LARGEST + 1), "audit.policy: the audit policy has 262145 bytes");
    }
}
