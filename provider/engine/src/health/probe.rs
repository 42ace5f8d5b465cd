//! What each API server and each member of etcd says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use kubeone_desired::kubeadm::api_server_port;
use kubeone_hosts::{Host, Os};
use kubeone_spec::ClusterSpec;
use serde::Deserialize;
use tokio::time::timeout;

use crate::error::StepError;
use crate::machines::Hosts;

/// The script asks four times and gives each answer 2 s. The rest is for the connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answers are a few lines.
const MOST: usize = 256 << 10;

/// One control plane as its components describe it. What did not answer is not ready, not healthy and without a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ControlPlane {
    pub(super) api_ready: bool,
    pub(super) api_version: Option<String>,
    pub(super) etcd_healthy: bool,
    pub(super) etcd: Option<EtcdStatus>,
}

/// A member of etcd. Ids are hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EtcdStatus {
    pub(super) member: String,
    pub(super) leader: String,
    pub(super) version: String,
}

/// Asks all control planes. One that cannot be asked is absent.
pub(super) async fn control_planes(spec: &ClusterSpec, hosts: &Hosts) -> BTreeMap<String, ControlPlane> {
    let asked = spec.control_plane.iter().filter_map(|(name, host)| {
        let port = api_server_port(spec, host);
        hosts.wanted.get(name).map(async move |host| (name, timeout(PATIENCE, ask(host.as_ref(), port)).await))
    });
    let answers = join_all(asked).await;
    answers.into_iter().filter_map(|(name, answer)| Some((name.clone(), answer.ok()?.ok()?))).collect()
}

async fn ask(host: &dyn Host, port: u16) -> Result<ControlPlane, StepError> {
    let script =
        Os::common().script("control_plane_status")?.var("API_PORT", port).within(PATIENCE).prints_at_most(MOST);
    Ok(parse(&host.run(&script).await?.stdout))
}

fn parse(printed: &str) -> ControlPlane {
    let answer = |question: &str| {
        let mut answers = printed.lines().filter_map(|line| line.split_once(' '));
        let (_, answer) = answers.find(|(name, _)| *name == question)?;
        String::from_utf8(STANDARD.decode(answer).ok()?).ok()
    };
    let health = answer("etcd_health").and_then(|text| serde_json::from_str::<Health>(&text).ok());
    let status = answer("etcd_status").and_then(|text| serde_json::from_str::<Status>(&text).ok());
    let version = answer("api_version").and_then(|text| serde_json::from_str::<Version>(&text).ok());
    ControlPlane {
        api_ready: answer("api_ready").is_some_and(|text| text.trim() == "ok"),
        api_version: version.map(|version| version.git_version),
        etcd_healthy: health.is_some_and(|health| health.health == "true"),
        etcd: status.and_then(|status| {
            Some(EtcdStatus {
                member: hexadecimal(&status.header.member_id)?,
                leader: hexadecimal(&status.leader)?,
                version: status.version,
            })
        }),
    }
}

/// 64-bit numbers are decimal text in etcd's JSON.
fn hexadecimal(decimal: &str) -> Option<String> {
    decimal.parse::<u64>().ok().map(|id| format!("{id:x}"))
}

#[derive(Deserialize)]
struct Health {
    health: String,
}

#[derive(Deserialize)]
struct Status {
    header: Header,
    /// Absent without a leader.
    #[serde(default = "nobody")]
    leader: String,
    version: String,
}

fn nobody() -> String {
    "0".to_owned()
}

#[derive(Deserialize)]
struct Header {
    member_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(answers: &[(&str, &str)]) -> String {
        let lines: Vec<_> =
            answers.iter().map(|(name, answer)| format!("{name} {}", STANDARD.encode(answer))).collect();
        lines.join("\n")
    }

    #[test]
    fn answers_are_read() {
        let printed = printed(&[
            ("etcd_health", r#"{"health":"true","reason":""}"#),
            (
                "etcd_status",
                r#"{"header":{"cluster_id":"1","member_id":"255","raft_term":"2"},"version":"3.6.6","leader":"16"}"#,
            ),
            ("api_ready", "ok"),
            ("api_version", r#"{"major":"1","gitVersion":"v1.35.4"}"#),
        ]);
        let etcd = EtcdStatus { member: "ff".to_owned(), leader: "10".to_owned(), version: "3.6.6".to_owned() };
        let expected = ControlPlane {
            api_ready: true,
            api_version: Some("v1.35.4".to_owned()),
            etcd_healthy: true,
            etcd: Some(etcd),
        };
        assert_eq!(parse(&printed), expected);
    }

    #[test]
    fn what_does_not_answer_is_not_well() {
        let silent = printed(&[("etcd_health", ""), ("etcd_status", ""), ("api_ready", ""), ("api_version", "")]);
        assert_eq!(parse(&silent), ControlPlane::default());
        let ill = printed(&[("etcd_health", r#"{"health":"false"}"#), ("api_ready", "[-]etcd failed")]);
        assert_eq!(parse(&ill), ControlPlane::default());
        assert_eq!(parse("gibberish\netcd_health ???"), ControlPlane::default());
    }
}
