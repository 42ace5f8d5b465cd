//! Findings about control planes with an unverified identity that would receive the keys of the cluster.

use std::collections::BTreeSet;

use kubeone_facts::Observed;
use kubeone_spec::{Finding, HostIdentity, Role, UnpinnedControlPlane};

use super::host_path;
use crate::plan::{Action, OnNode, Plan};
use crate::wanted::Wanted;

/// Control planes share the keys of the cluster (`ca.key`, `sa.key`, etcd's), so each that joins receives them.
pub(super) fn findings(wanted: &Wanted, plan: &Plan, observed: &Observed) -> Vec<Finding> {
    // A new cluster creates its own keys, and its first machines are trusted.
    let begins = |action: &Action| matches!(action, Action::InitControlPlane { restore: None, .. });
    if !exists(wanted) || plan.actions().any(begins) {
        return Vec::new();
    }
    let joins = plan.actions().filter(|action| matches!(action.effects().node, OnNode::Initializes | OnNode::Joins));
    let hosts: BTreeSet<_> = joins.filter_map(Action::host).collect();
    let receivers = hosts.into_iter().filter(|host| wanted.spec.control_plane.contains_key(*host));
    receivers.filter_map(|host| finding(wanted, host, identity(wanted, observed, host)?)).collect()
}

/// The same if the actions are not known yet: for each new machine.
pub fn check_new_hosts(wanted: &Wanted) -> Vec<Finding> {
    if !exists(wanted) {
        return Vec::new();
    }
    let new_hosts = wanted.spec.control_plane.keys().filter(|name| wanted.new_hosts.contains(*name));
    new_hosts.filter_map(|host| finding(wanted, host, *wanted.identities.get(host)?)).collect()
}

/// Whether keys must be protected: those of the cluster in the state, or of the one that is restored.
fn exists(wanted: &Wanted) -> bool {
    wanted.uid.as_ref().is_some_and(|uid| !uid.is_empty()) || wanted.spec.restore.is_some()
}

/// The result of the connection overrides the expectation.
fn identity(wanted: &Wanted, observed: &Observed, host: &str) -> Option<HostIdentity> {
    let seen = observed.facts(host).and_then(|facts| facts.identity);
    seen.or_else(|| wanted.identities.get(host).copied())
}

fn finding(wanted: &Wanted, host: &str, identity: HostIdentity) -> Option<Finding> {
    if identity != HostIdentity::FirstContact {
        return None;
    }
    let refused = wanted.unpinned_control_plane == UnpinnedControlPlane::Refuse;
    let consequence = if refused {
        "`ssh.unpinned_control_plane = \"refuse\"` requires that before the keys of the cluster are sent to it."
    } else {
        "Otherwise the keys of the cluster are sent to any machine that answers. `ssh.unpinned_control_plane = \
         \"refuse\"` makes this an error."
    };
    let tell = if refused { Finding::error } else { Finding::warning };
    let finding = tell(
        host_path(Role::ControlPlane, host).field("ssh_host_key"),
        format!("the identity of the machine behind {host} is unverified, and it will receive the keys of the cluster"),
        format!(
            "Its SSH host key would be trusted on first use. Set it as `ssh_host_key`: the security guide says where \
             each cloud shows it. {consequence}"
        ),
    );
    Some(finding)
}

#[cfg(test)]
mod tests {
    use kubeone_facts::{HostFacts, HostState};
    use kubeone_spec::{ClusterSpec, Severity};
    use serde_json::json;

    use super::*;
    use crate::plan::Stage;

    fn spec(control_planes: &[&str]) -> ClusterSpec {
        let host = |name: &&str| ((*name).to_owned(), json!({ "address": format!("{name}.example.com") }));
        let hosts: serde_json::Map<_, _> = control_planes.iter().map(host).collect();
        serde_json::from_value(json!({
            "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.1" }, "control_plane": hosts,
        }))
        .unwrap()
    }

    /// A second control plane for an existing cluster, and how its identity would be verified.
    fn grown(identity: HostIdentity) -> Wanted {
        let wanted = Wanted::after(&spec(&["cp-1"]), Some("uid".to_owned()), spec(&["cp-1", "cp-2"]));
        let identities = [("cp-1".to_owned(), HostIdentity::FirstContact), ("cp-2".to_owned(), identity)];
        Wanted { identities: identities.into(), ..wanted }
    }

    fn plan(actions: Vec<Action>) -> Plan {
        Plan { stages: vec![Stage { title: "x".to_owned(), lanes: vec![actions] }] }
    }

    fn join(host: &str) -> Action {
        Action::JoinControlPlane { host: host.to_owned(), resume: None }
    }

    fn init(restore: Option<&str>) -> Action {
        let kubernetes_version = "1.36.3".parse().unwrap();
        let restore = restore.map(str::to_owned);
        Action::InitControlPlane { host: "cp-1".to_owned(), kubernetes_version, resume: None, restore }
    }

    fn found(wanted: &Wanted, actions: Vec<Action>, observed: &Observed) -> Vec<(String, Severity)> {
        let findings = findings(wanted, &plan(actions), observed);
        findings.into_iter().map(|finding| (finding.path.to_string(), finding.severity)).collect()
    }

    const CP_2: &str = "control_plane[\"cp-2\"].ssh_host_key";

    #[test]
    fn keys_are_sent_to_unverified_machines_only_with_a_finding() {
        let nothing = Observed::default();
        let wanted = grown(HostIdentity::FirstContact);
        assert_eq!(found(&wanted, vec![join("cp-2")], &nothing), [(CP_2.to_owned(), Severity::Warning)]);
        let strict = Wanted { unpinned_control_plane: UnpinnedControlPlane::Refuse, ..wanted.clone() };
        assert_eq!(found(&strict, vec![join("cp-2")], &nothing), [(CP_2.to_owned(), Severity::Error)]);
        for known in [HostIdentity::Known, HostIdentity::Pinned] {
            assert_eq!(found(&grown(known), vec![join("cp-2")], &nothing), []);
        }
        // A host that receives no keys is not checked, nor is one without a known verification.
        assert_eq!(found(&wanted, vec![], &nothing), []);
        assert_eq!(found(&Wanted { identities: [].into(), ..wanted }, vec![join("cp-2")], &nothing), []);
    }

    #[test]
    fn a_new_cluster_trusts_its_machines_and_a_restored_one_does_not() {
        let nothing = Observed::default();
        let wanted = grown(HostIdentity::FirstContact);
        let create = Wanted { uid: None, ..wanted.clone() };
        assert_eq!(found(&create, vec![init(None), join("cp-2")], &nothing), []);
        assert_eq!(found(&create, vec![join("cp-2")], &nothing), [], "an interrupted create");
        assert_eq!(found(&wanted, vec![init(None), join("cp-2")], &nothing), [], "replaces a lost cluster");
        let mut restored = create;
        restored.spec.restore = Some(serde_json::from_value(json!({ "snapshot": "./prod.age" })).unwrap());
        let both = found(&restored, vec![init(Some("prod")), join("cp-2")], &nothing);
        assert_eq!(both.len(), 2, "{both:?}");
    }

    /// A CA may be configured for a host that presents no certificate.
    #[test]
    fn the_result_of_the_connection_counts() {
        let seen = |identity| {
            let facts = HostFacts { identity: Some(identity), ..HostFacts::default() };
            let hosts = [("cp-2".to_owned(), HostState::Reached(Box::new(facts)))].into();
            Observed { hosts, ..Observed::default() }
        };
        let first = seen(HostIdentity::FirstContact);
        assert_eq!(found(&grown(HostIdentity::Known), vec![join("cp-2")], &first).len(), 1);
        let pinned = seen(HostIdentity::Pinned);
        assert_eq!(found(&grown(HostIdentity::FirstContact), vec![join("cp-2")], &pinned), []);
    }

    #[test]
    fn without_known_actions_each_new_machine_is_checked() {
        let found = check_new_hosts(&grown(HostIdentity::FirstContact));
        assert_eq!(found.iter().map(|it| it.path.to_string()).collect::<Vec<_>>(), [CP_2]);
        assert_eq!(check_new_hosts(&grown(HostIdentity::Known)), []);
        assert_eq!(check_new_hosts(&Wanted { uid: None, ..grown(HostIdentity::FirstContact) }), []);
    }
}
