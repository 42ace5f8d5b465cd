//! What one script reads from a host.

use std::collections::BTreeMap;

use kubeone_desired::{host_files, kubelet};
use kubeone_facts::snapshot::Description;
use kubeone_facts::{Configured, HeldSnapshot, HostFacts, Marker, MarkerFile};
use kubeone_hosts::{Host, HostError, Os};
use kubeone_plan::renewal::{API_SERVER_CERTIFICATE, COMPONENT_CERTIFICATES};
use serde::Deserialize;

use super::trust::CA_CERTIFICATE;
use super::{HOST_PATIENCE, certificates, limits, manifests};
use crate::configured;
use crate::error::StepError;
use crate::etcd;

/// More packages and programs than we install cannot be damaged.
const DAMAGED_AT_MOST: usize = 20;

/// What the script prints: the facts, and the answers of others as the text they are.
#[derive(Deserialize)]
struct Printed {
    /// Content of the marker; empty when there is none.
    #[serde(default)]
    marker: Content,
    /// Answer of etcd's gateway; empty when there is none.
    etcd_members: String,
    /// DER as base64, by path.
    #[serde(default)]
    certificates: BTreeMap<String, String>,
    /// As the package manager writes them.
    #[serde(rename = "containerd_offered", default)]
    offered: Vec<String>,
    #[serde(rename = "snapshots", default)]
    descriptions: Vec<Described>,
    /// Of the components of a control plane, by their names.
    #[serde(default)]
    manifests: BTreeMap<String, String>,
    #[serde(rename = "configured", default)]
    record: Record,
    #[serde(flatten)]
    facts: HostFacts,
}

/// What was configured, as the host has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    begun: bool,
    /// Our record; empty when there is none.
    text: String,
    salt: String,
    fingerprints: BTreeMap<String, String>,
}

/// What is in a file, or why it cannot be known.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Unusable { unusable: String },
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A file that describes a snapshot, and whether the snapshot lies beside it.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    name: String,
    held: bool,
    description: Content,
}

pub(crate) async fn observe_host(host: &dyn Host) -> Result<HostFacts, StepError> {
    // Which system the host has is one of the things to find out.
    let files = host_files::MANAGED_FILES.into_iter().chain(kubelet::FILES);
    let script = Os::common().script("observe")?.lines("FILES", files).within(HOST_PATIENCE);
    let printed = host.run(&script).await?.stdout;
    let mut facts = parse(&printed).map_err(|problem| HostError::unreadable(host.name(), script.name(), problem))?;
    // What SSH saw, whatever the host says of itself.
    facts.ssh_host_key = host.host_key().unwrap_or_default();
    limits::host_key(&facts.ssh_host_key).map_err(|problem| HostError::unreadable(host.name(), "ssh", problem))?;
    facts.identity = host.identity();
    facts.os.scripts = Os::lookup(&facts.os.id, &facts.os.id_like).ok().map(|os| os.id().to_owned());
    Ok(facts)
}

/// The facts, or what is wrong with what was printed.
fn parse(printed: &str) -> Result<HostFacts, String> {
    let printed: Printed = serde_json::from_str(printed).map_err(|error| error.to_string())?;
    let marker = match printed.marker {
        Content::Text(text) if text.is_empty() => MarkerFile::Absent,
        Content::Text(text) => Marker::parse(&text),
        Content::Unusable { unusable } => MarkerFile::Unusable { reason: unusable },
    };
    // Without an answer of etcd the rest is still worth having.
    let etcd_members = etcd::parse_members(&printed.etcd_members).unwrap_or_default();
    let api_server_names =
        printed.certificates.get(API_SERVER_CERTIFICATE).map(|it| certificates::names(it)).unwrap_or_default();
    let certificates = certificates::ends(&printed.certificates);
    let mut unusable_files = printed.facts.unusable_files.clone();
    let mut snapshots = Vec::new();
    for it in printed.descriptions {
        match it.description {
            // A file that is not ours describes nothing.
            Content::Text(text) => match serde_json::from_str(&text) {
                Ok(Description { snapshot, awaits_copy }) => {
                    let held = HeldSnapshot { snapshot, held: it.held, awaits_copy };
                    snapshots.extend(Some(held).filter(|held| limits::is_snapshot(&held.snapshot)));
                }
                Err(_) if it.held => _ = unusable_files.insert(it.name, "it describes no snapshot".to_owned()),
                Err(_) => {}
            },
            Content::Unusable { unusable } => _ = unusable_files.insert(it.name, unusable),
        }
    }
    let mut containerd_offered: Vec<_> = printed.offered.iter().filter_map(|version| version.parse().ok()).collect();
    containerd_offered.sort_unstable();
    containerd_offered.dedup();
    let mut damaged = printed.facts.damaged.clone();
    damaged.retain(|what| is_name_of_ours(what));
    damaged.truncate(DAMAGED_AT_MOST);
    let mut facts = HostFacts {
        marker,
        containerd_offered,
        damaged,
        certificates,
        api_server_names,
        etcd_members,
        snapshots,
        unusable_files,
        ..printed.facts
    };
    if facts.renewal_begun.iter().any(|name| !is_certificate(name)) {
        // It has begun, for unknown certificates: all of them are renewed.
        facts.renewal_begun = COMPONENT_CERTIFICATES.iter().map(|certificate| certificate.name.to_owned()).collect();
    }
    if let Some(certificate) = printed.certificates.get(CA_CERTIFICATE).and_then(|text| certificates::sha256(text)) {
        facts.kubernetes.ca_sha256 = certificate;
    }
    facts.kubernetes.components = manifests::components(&printed.manifests);
    let Record { begun, text, salt, fingerprints } = printed.record;
    facts.configured = Configured { begun, salt, fingerprints, ..configured::read(&text) };
    limits::check(&facts)?;
    Ok(facts)
}

/// Whether it can be a package or a program of ours. It becomes a part of what the plan shows.
fn is_name_of_ours(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-".contains(&byte))
}

fn is_certificate(name: &str) -> bool {
    COMPONENT_CERTIFICATES.iter().any(|certificate| certificate.name == name)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use kubeone_hosts::FakeHost;
    use serde_json::json;

    use super::*;
    use crate::observe::causes;

    const SCRIPT: &str = "os/linux/observe.sh";

    #[tokio::test]
    async fn the_scripts_answer_becomes_facts() {
        let printed = r#"{"hostname":"cp-1","os":{"id":"debian","version_id":"12"},"architecture":"amd64","cgroup":"v1",
            "memory_mib":2048,"swap_active":true,"marker":"{\n  \"cluster\": \"prod\",\n  \"provider_version\": \"0.1.0\"\n}",
            "packages":{"kubelet":"1.35.4"},"kubernetes":{"admin_conf":true,"static_pods":["etcd"]},
            "identity":"pinned","ssh_host_key":"x","files":{"/etc/x":"abc"},"certificates":{"/etc/kubernetes/pki/broken.crt":"AAAA"},"units":{"kubeone-init":"running"},
            "etcd_members":"{\"members\":[{\"ID\":\"16\",\"name\":\"cp-1\"}]}"}"#;
        let host = FakeHost::new("cp-1").answers(SCRIPT, printed);
        let facts = observe_host(&host).await.unwrap();
        assert_eq!(facts.etcd_members[0].id, "10");
        assert_eq!(facts.os.scripts.as_deref(), Some("debian"));
        assert_eq!(facts.ssh_host_key, "ssh-ed25519 key-of-cp-1");
        assert_eq!(facts.identity, None, "what the host says of that does not count");
        expect![[r#"
            Good(
                Marker {
                    cluster: "prod",
                    uid: None,
                    provider_version: "0.1.0",
                    replaces: None,
                    renew_trigger: None,
                    restored: None,
                    packages_kept: [],
                    adopted: false,
                },
            )
        "#]]
        .assert_debug_eq(&facts.marker);
        assert_eq!(host.log(), ["run os/linux/observe.sh"]);
    }

    #[tokio::test]
    async fn what_is_offered_is_in_order_and_nothing_else_than_versions() {
        let printed = r#"{"marker":"","etcd_members":"","damaged":["/usr/bin/kubelet","/usr/bin/a b","\u001b[2Jx"],
            "containerd_offered":["2.2.10","2.2.9","2.2.9","nonsense","","2.3","99999.1.1","2.2.9; reboot"]}"#;
        let facts = observe_host(&FakeHost::new("cp-1").answers(SCRIPT, printed)).await.unwrap();
        let offered: Vec<_> = facts.containerd_offered.iter().map(ToString::to_string).collect();
        assert_eq!(offered, ["2.2.9", "2.2.10"]);
        assert_eq!(facts.damaged, ["/usr/bin/kubelet"]);
    }

    async fn observed(printed: &serde_json::Value) -> HostFacts {
        let host = FakeHost::new("cp-1").answers(SCRIPT, printed.to_string());
        observe_host(&host).await.unwrap()
    }

    /// What a power cut, or anything else, can leave there.
    #[tokio::test]
    async fn a_marker_that_cannot_be_used_is_not_taken_for_none() {
        let texts = [
            "gibberish",
            "{",
            "\u{0}\u{0}\u{0}",
            " \n",
            "[]",
            "{}",
            "null",
            "1",
            r#"{"cluster":""}"#,
            r#"{"cluster":"","provider_version":""}"#,
            r#"{"cluster":"prod","uid":"","provider_version":""}"#,
            r#"{"cluster":"prod","cluster":"prod","provider_version":""}"#,
            r#"{"cluster":["prod"],"provider_version":""}"#,
        ];
        for text in texts {
            let facts = observed(&json!({ "marker": text, "etcd_members": "" })).await;
            assert!(facts.marker.damage().is_some(), "{text}: {:?}", facts.marker);
        }
        let folder = json!({ "marker": { "unusable": "it is a folder" }, "etcd_members": "" });
        assert_eq!(observed(&folder).await.marker.damage(), Some("it is a folder"));
        assert!(observed(&json!({ "marker": "", "etcd_members": "" })).await.marker.is_absent());
    }

    #[tokio::test]
    async fn what_else_decides_is_damaged_by_name() {
        let facts = observed(&json!({
            "marker": "", "etcd_members": "", "renewal_begun": ["?"],
            "unusable_files": { "/etc/kubeone/recorded/files.sha256": "it is empty" },
            "snapshots": [{ "name": "/a.json", "held": true, "description": "" },
                { "name": "/b.json", "held": false, "description": "of somebody else" },
                { "name": "/c.json", "held": false, "description": { "unusable": "it is empty" } }],
        }))
        .await;
        assert_eq!(facts.renewal_begun.len(), COMPONENT_CERTIFICATES.len());
        let damaged: Vec<_> = facts.unusable_files.keys().map(String::as_str).collect();
        assert_eq!(damaged, ["/a.json", "/c.json", "/etc/kubeone/recorded/files.sha256"]);
    }

    /// As it lies in the private state of an older provider, and in that of this one.
    #[test]
    fn a_marker_is_the_same_after_it_was_kept() {
        let good = json!({ "cluster": "prod", "provider_version": "0.1.0" });
        for (kept, is) in [(json!(null), "absent"), (good, "good"), (json!({ "unusable": "it is empty" }), "unusable")]
        {
            let facts: HostFacts = serde_json::from_value(json!({ "marker": kept })).unwrap();
            let seen = match &facts.marker {
                MarkerFile::Absent => "absent",
                MarkerFile::Good(_) => "good",
                MarkerFile::Unusable { .. } => "unusable",
            };
            assert_eq!(seen, is);
            let again: HostFacts = serde_json::from_value(serde_json::to_value(&facts).unwrap()).unwrap();
            assert_eq!(again, facts);
        }
    }

    /// An answer in which one fact is as extreme as the case says.
    async fn answer_with(fact: &str) -> Result<HostFacts, String> {
        let printed = format!(r#"{{"marker":"","etcd_members":"","hostname":"cp-1",{fact}}}"#);
        observe_host(&FakeHost::new("cp-1").answers(SCRIPT, printed)).await.map_err(|error| causes(&error))
    }

    #[tokio::test]
    async fn facts_out_of_bounds_are_named_and_nothing_of_the_answer_is_used() {
        let long = "x".repeat(70_000);
        let many = |entry: &str| {
            format!("{{{}}}", (0..600).map(|it| format!("\"{it}\":{entry}")).collect::<Vec<_>>().join(","))
        };
        let cases = [
            (format!(r#""machine_id":"{long}""#), "machine_id has 70000 bytes, at most 64 are accepted"),
            (r#""kernel":"6.1\u001b[31m""#.to_owned(), r"kernel has the character `\u{1b}`"),
            (r#""architecture":"amd64\u202e""#.to_owned(), r"architecture has the character `\u{202e}`"),
            (r#""os":{"id":"debian 12"}"#.to_owned(), "os.id has the character ` `"),
            (r#""os":{"version_codename":"x\ny"}"#.to_owned(), r"os.version_codename has the character `\n`"),
            (r#""cpus":4000000000"#.to_owned(), "cpus is 4000000000, at most 65536 is accepted"),
            (r#""memory_mib":18446744073709551615"#.to_owned(), "memory_mib is 18446744073709551615, at most"),
            (format!(r#""packages":{{"kubelet":"{long}"}}"#), "packages.kubelet has 70000 bytes"),
            (format!(r#""files":{}"#, many(r#""ab""#)), "files has 600 entries, at most 64 are accepted"),
            (format!(r#""files":{{"/etc/x":"{long}"}}"#), "files has 70000 bytes"),
            (format!(r#""units":{}"#, many(r#""running""#)), "units has 600 entries"),
            (format!(r#""changed_files":["{long}"]"#), "changed_files has 70000 bytes"),
            (format!(r#""kubelet_settings":"{long}""#), "kubelet_settings has 70000 bytes, at most 65536 are accepted"),
            (format!(r#""restore":{{"what":"{long}"}}"#), "restore has 70000 bytes"),
            (format!(r#""kubernetes":{{"images":{}}}"#, many(r#""i:1""#)), "kubernetes.images has 600 entries"),
            (format!(r#""kubernetes":{{"images":{{"etcd":"{long}"}}}}"#), "kubernetes.images has 70000 bytes"),
            (r#""kubernetes":{"api_server":"https://a b"}"#.to_owned(), "kubernetes.api_server has the character ` `"),
            (format!(r#""cpus":"{long}""#), "invalid type: string"),
            ("\"cpus\":-1".to_owned(), "invalid value"),
        ];
        for (fact, problem) in cases {
            let error = answer_with(&fact).await.unwrap_err();
            let expected = format!("[cp-1] unusable answer of `os/linux/observe.sh`: {problem}");
            assert!(error.contains(&expected), "{expected}\n{error}");
            assert!(error.len() < 800, "{error}");
        }
    }

    #[tokio::test]
    async fn a_host_cannot_fill_the_state() {
        // Each alone would be accepted.
        let paths: Vec<String> = (0..300).map(|it| format!(r#""{it}{}""#, "x".repeat(4000))).collect();
        let error = answer_with(&format!(r#""kubernetes":{{"static_pods":[{}]}}"#, paths.join(","))).await.unwrap_err();
        assert!(error.contains("all facts together has "), "{error}");
        let marker = format!(r#"{{"cluster":"{}","provider_version":"1"}}"#, "x".repeat(254));
        let printed = serde_json::json!({ "marker": marker, "etcd_members": "" }).to_string();
        let error = observe_host(&FakeHost::new("cp-1").answers(SCRIPT, printed)).await.unwrap_err();
        assert!(causes(&error).contains("marker.cluster has 254 bytes, at most 253 are accepted"), "{error:?}");
    }

    /// Names of files and what users write themselves are whatever they are.
    #[tokio::test]
    async fn unusual_names_of_files_are_facts_like_others() {
        let facts = answer_with(
            r#""kubernetes":{"static_pods":["my pod","a\"b","\u001b"]},"units":{"kubeone init":"failed"},"changed_files":["/x y"]"#,
        )
        .await
        .unwrap();
        assert_eq!(facts.kubernetes.static_pods, ["my pod", "a\"b", "\u{1b}"]);
        assert_eq!(facts.units.len(), 1);
    }

    #[tokio::test]
    async fn a_description_with_another_name_than_a_snapshots_is_somebody_elses() {
        let described = |name: &str, size: u64| {
            let description = serde_json::json!({
                "name": name, "cluster": "prod", "cluster_uid": "u", "host": "cp-1", "cause": { "trigger": "1" },
                "taken_at": "2026-01-01T00:00:00Z", "revision": 1, "size": size, "sha256": "ab",
                "kubernetes_version": "1.35.4", "etcd_version": "3.6.6-0",
            });
            serde_json::json!({ "held": true, "description": description.to_string() })
        };
        let list = [
            described("prod-1", 1),
            described("../../etc/passwd", 1),
            described("a/b", 1),
            described(".hidden", 1),
            described("", 1),
            described("prod-2\u{1b}", 1),
            described(&"x".repeat(300), 1),
            described("prod-3", u64::MAX),
        ];
        let facts = answer_with(&format!(r#""snapshots":{}"#, serde_json::json!(list))).await.unwrap();
        let names: Vec<_> = facts.snapshots.iter().map(|held| held.snapshot.name.as_str()).collect();
        assert_eq!(names, ["prod-1"]);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        /// Any JSON, with the names of facts in it.
        fn json() -> impl Strategy<Value = serde_json::Value> {
            let leaf = prop_oneof![
                Just(serde_json::Value::Null),
                any::<bool>().prop_map(Into::into),
                any::<i64>().prop_map(Into::into),
                any::<u64>().prop_map(Into::into),
                ".{0,40}".prop_map(Into::into),
                Just(r#"{"cluster":"prod","provider_version":"0.1.0"}"#.into()),
                Just(r#"{"members":[{"ID":"16","name":"cp-1"}]}"#.into()),
            ];
            let names = [
                "hostname",
                "os",
                "id",
                "cpus",
                "marker",
                "packages",
                "kubelet",
                "kubernetes",
                "static_pods",
                "images",
                "files",
                "units",
                "certificates",
                "etcd_members",
                "snapshots",
                "held",
                "description",
                "restore",
                "what",
                "changed_files",
            ];
            leaf.prop_recursive(4, 64, 8, move |inner| {
                let name =
                    prop_oneof![4 => prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"];
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                    prop::collection::btree_map(name, inner, 0..8)
                        .prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
                ]
            })
        }

        fn check(printed: &str) -> Result<(), TestCaseError> {
            match parse(printed) {
                Ok(facts) => {
                    let state = serde_json::to_string(&facts).unwrap();
                    prop_assert!(state.len() <= 512 << 10);
                    prop_assert_eq!(serde_json::from_str::<HostFacts>(&state).unwrap(), facts);
                }
                Err(problem) => prop_assert!(!problem.is_empty()),
            }
            Ok(())
        }

        proptest! {
            #[test]
            fn any_answer_becomes_facts_or_is_refused(answer in json()) {
                check(&answer.to_string())?;
            }

            #[test]
            fn any_fact_is_in_bounds_or_refused(marker in json(), members in json(), facts in json()) {
                let mut answer = serde_json::json!({ "marker": marker.to_string(), "etcd_members": members.to_string() });
                if let serde_json::Value::Object(facts) = facts {
                    answer.as_object_mut().unwrap().extend(facts);
                }
                check(&answer.to_string())?;
            }

            #[test]
            fn any_text_is_no_panic(text in ".{0,200}") {
                check(&text)?;
            }
        }
    }
}
