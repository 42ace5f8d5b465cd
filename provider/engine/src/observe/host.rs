//! What one script reads from a host.

use std::collections::BTreeMap;

use kubeone_hosts::{Host, Os};
use serde::Deserialize;

use super::certificates;
use crate::error::StepError;
use crate::etcd;
use crate::kubelet;
use crate::observed::{HostFacts, Marker};
use crate::prepare;
use crate::renewal::API_SERVER_CERTIFICATE;
use crate::snapshots::{Description, HeldSnapshot};

/// On every node.
const CA_CERTIFICATE: &str = "/etc/kubernetes/pki/ca.crt";

/// More packages and programs than we install cannot be damaged.
const DAMAGED_AT_MOST: usize = 20;

/// What the script prints: the facts, and the answers of others as the text they are.
#[derive(Deserialize)]
struct Printed {
    /// Content of the marker; empty when there is none.
    marker: String,
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
    #[serde(flatten)]
    facts: HostFacts,
}

/// A file that describes a snapshot, and whether the snapshot lies beside it.
#[derive(Deserialize)]
struct Described {
    held: bool,
    description: String,
}

pub(crate) async fn observe_host(host: &dyn Host) -> Result<HostFacts, StepError> {
    // Which system the host has is one of the things to find out.
    let script =
        Os::common().script("observe")?.lines("FILES", prepare::MANAGED_FILES.into_iter().chain(kubelet::FILES));
    let mut facts = parse(&host.run(&script).await?.stdout)?;
    facts.ssh_host_key = host.host_key().unwrap_or_default();
    facts.os.scripts = Os::lookup(&facts.os.id, &facts.os.id_like).ok().map(|os| os.id().to_owned());
    Ok(facts)
}

fn parse(printed: &str) -> Result<HostFacts, StepError> {
    let unreadable = |what: &str| {
        let what = what.to_owned();
        move |error: serde_json::Error| StepError::Unreadable { what, reason: error.to_string() }
    };
    let printed: Printed = serde_json::from_str(printed).map_err(unreadable("what the host says of itself"))?;
    let marker: Option<Marker> = match printed.marker.as_str() {
        "" => None,
        text => Some(serde_json::from_str(text).map_err(unreadable(crate::marker::PATH))?),
    };
    // Without an answer of etcd the rest is still worth having.
    let etcd_members = etcd::parse_members(&printed.etcd_members).unwrap_or_default();
    let api_server_names =
        printed.certificates.get(API_SERVER_CERTIFICATE).map(|it| certificates::names(it)).unwrap_or_default();
    let certificates = certificates::ends(&printed.certificates);
    // A file of somebody else describes nothing.
    let snapshot = |it: &Described| {
        let Description { snapshot, awaits_copy } = serde_json::from_str(&it.description).ok()?;
        Some(HeldSnapshot { snapshot, held: it.held, awaits_copy })
    };
    let snapshots = printed.descriptions.iter().filter_map(snapshot).collect();
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
        ..printed.facts
    };
    if let Some(certificate) = printed.certificates.get(CA_CERTIFICATE).and_then(|text| certificates::sha256(text)) {
        facts.kubernetes.ca_sha256 = certificate;
    }
    Ok(facts)
}

/// Whether it can be a package or a program of ours. It becomes a part of what the plan shows.
fn is_name_of_ours(text: &str) -> bool {
    text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use kubeone_hosts::FakeHost;

    use super::*;

    const SCRIPT: &str = "os/linux/observe.sh";

    #[tokio::test]
    async fn the_scripts_answer_becomes_facts() {
        let printed = r#"{"hostname":"cp-1","os":{"id":"debian","version_id":"12"},"architecture":"amd64","cgroup":"v1",
            "memory_mib":2048,"swap_active":true,"marker":"{\n  \"cluster\": \"prod\",\n  \"provider_version\": \"0.1.0\"\n}",
            "packages":{"kubelet":"1.35.4"},"kubernetes":{"admin_conf":true,"static_pods":["etcd"]},
            "files":{"/etc/x":"abc"},"certificates":{"/etc/kubernetes/pki/broken.crt":"AAAA"},"units":{"kubeone-init":"running"},
            "etcd_members":"{\"members\":[{\"ID\":\"16\",\"name\":\"cp-1\"}]}"}"#;
        let host = FakeHost::new("cp-1").answers(SCRIPT, printed);
        let facts = observe_host(&host).await.unwrap();
        assert_eq!(facts.etcd_members[0].id, "10");
        assert_eq!(facts.os.scripts.as_deref(), Some("debian"));
        assert_eq!(facts.ssh_host_key, "ssh-ed25519 key-of-cp-1");
        expect![[r#"
            Some(
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

    #[tokio::test]
    async fn a_marker_that_cannot_be_read_is_not_taken_for_none() {
        let host = FakeHost::new("cp-1").answers(SCRIPT, r#"{"marker":"gibberish","etcd_members":""}"#);
        let error = observe_host(&host).await.unwrap_err();
        assert!(error.to_string().contains("/etc/kubeone/cluster.json"), "{error}");
    }
}
