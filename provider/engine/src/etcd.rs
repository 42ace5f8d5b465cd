//! etcd's members, read and removed through the JSON gateway of a member on a host.

use kubeone_facts::EtcdMember;
use kubeone_hosts::{Host, HostError, Os};
use serde::Deserialize;

use crate::error::StepError;

/// The answer of the gateway. 64-bit numbers are decimal text in it.
#[derive(Deserialize)]
struct MemberList {
    #[serde(default)]
    members: Vec<GatewayMember>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatewayMember {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(default)]
    is_learner: bool,
}

/// Reads the gateway's member list, or says what is wrong with it.
pub(crate) fn parse_members(answer: &str) -> Result<Vec<EtcdMember>, String> {
    let list: MemberList = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let member = |member: GatewayMember| {
        let id: u64 = member.id.parse().map_err(|_| format!("`{}` is not a member's id", member.id))?;
        Ok(EtcdMember {
            id: format!("{id:x}"),
            name: member.name,
            peer_urls: member.peer_urls,
            learner: member.is_learner,
        })
    };
    list.members.into_iter().map(member).collect()
}

/// All members, as the quorum knows them; it fails when there is none.
pub(crate) async fn members(host: &dyn Host) -> Result<Vec<EtcdMember>, StepError> {
    let script = Os::common().script("etcd_members")?;
    let answer = host.run(&script).await?.stdout;
    Ok(parse_members(&answer).map_err(|problem| HostError::unreadable(host.name(), script.name(), problem))?)
}

/// Removes a member, through the one on `host`.
pub(crate) async fn remove_member(host: &dyn Host, member: &EtcdMember) -> Result<(), StepError> {
    host.run(&Os::common().script("remove_etcd_member")?.var("MEMBER_ID", decimal_id(member)?)).await?;
    Ok(())
}

/// The id of a member as the gateway takes it.
pub(crate) fn decimal_id(member: &EtcdMember) -> Result<u64, StepError> {
    u64::from_str_radix(&member.id, 16).map_err(|error| StepError::Unreadable {
        what: format!("etcd member id {}", member.id),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use kubeone_plan::etcd::is_member_of;
    use kubeone_spec::HostSpec;

    use super::*;

    #[test]
    fn a_member_list_is_read() {
        let answer = r#"{"header":{"cluster_id":"1"},"members":[
            {"ID":"10276657743932975437","name":"cp-1","peerURLs":["https://10.0.0.1:2380"],"clientURLs":[]},
            {"ID":"255","peerURLs":["https://10.0.0.2:2380"],"isLearner":true}]}"#;
        let members = parse_members(answer).unwrap();
        assert_eq!((members[0].id.as_str(), members[0].learner), ("8e9e05c52164694d", false));
        assert_eq!((members[1].id.as_str(), members[1].name.as_str(), members[1].learner), ("ff", "", true));
        let host: HostSpec = serde_json::from_value(serde_json::json!({ "address": "10.0.0.2" })).unwrap();
        assert!(is_member_of(&members[1], "cp-2", &host) && !is_member_of(&members[0], "cp-2", &host));
    }

    #[test]
    fn another_answer_is_an_error() {
        assert!(parse_members("<html>").is_err());
        assert!(parse_members(r#"{"members":[{"ID":"x"}]}"#).is_err());
    }
}
