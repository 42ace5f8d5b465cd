//! Which clusters are healthy, and what is said of those that are not.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};
use kubeone_facts::{AddonState, ApiFacts, HostFacts, Marker, NodeFacts};
use serde_json::json;

use super::*;
use crate::health::probe::EtcdStatus;

const UID: &str = "00000000-0000-0000-0000-000000000001";
const CONTROL_PLANES: [&str; 3] = ["cp-1", "cp-2", "cp-3"];

/// A cluster with three control planes and a worker, all of them well.
struct Seen {
    query: ClusterStatusSpec,
    observed: Observed,
    control_planes: ControlPlanes,
    now: &'static str,
}

impl Seen {
    fn well() -> Self {
        let query = serde_json::from_value(json!({ "cluster": {
            "id": UID, "name": "prod", "kubernetes_version": "1.36.3", "api_endpoint": { "host": "10.0.0.9" },
            "control_plane": {
                "cp-1": { "address": "10.0.0.1" }, "cp-2": { "address": "10.0.0.2" }, "cp-3": { "address": "10.0.0.3" },
            },
            "static_workers": { "w-1": { "address": "10.0.0.4" } },
        } }))
        .unwrap();
        let mut seen =
            Self { query, observed: Observed::default(), control_planes: BTreeMap::new(), now: "2030-01-01T00:00:00Z" };
        let mut api = ApiFacts { cluster_uid: UID.to_owned(), version: "v1.36.3".to_owned(), ..ApiFacts::default() };
        for name in ["cp-1", "cp-2", "cp-3", "w-1"] {
            let control_plane = CONTROL_PLANES.contains(&name);
            let marker = Marker { cluster: "prod".to_owned(), uid: Some(UID.to_owned()), ..Marker::default() };
            let certificates =
                [("/etc/kubernetes/pki/apiserver.crt".to_owned(), "2031-01-01T00:00:00Z".to_owned())].into();
            let etcd_members = if control_plane { CONTROL_PLANES.map(member).into() } else { Vec::new() };
            let facts = HostFacts { marker: marker.into(), certificates, etcd_members, ..HostFacts::default() };
            seen.observed.hosts.insert(name.to_owned(), HostState::Reached(Box::new(facts)));
            let node =
                NodeFacts { ready: true, control_plane, kubelet_version: "v1.36.3".to_owned(), ..NodeFacts::default() };
            api.nodes.insert(name.to_owned(), node);
        }
        api.addons.insert("canal".to_owned(), AddonState { ready: true, ..AddonState::default() });
        seen.observed.api = ApiState::Answered(Box::new(api));
        for name in CONTROL_PLANES {
            let etcd = EtcdStatus { member: member(name).id, leader: member("cp-2").id, version: "3.6.6".to_owned() };
            let well = ControlPlane {
                api_ready: true,
                api_version: Some("v1.36.3".to_owned()),
                etcd_healthy: true,
                etcd: Some(etcd),
            };
            seen.control_planes.insert(name.to_owned(), well);
        }
        seen
    }

    fn facts(&mut self, name: &str) -> &mut HostFacts {
        match self.observed.hosts.get_mut(name) {
            Some(HostState::Reached(facts)) => facts,
            other => panic!("{other:?}"),
        }
    }

    fn api(&mut self) -> &mut ApiFacts {
        match &mut self.observed.api {
            ApiState::Answered(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    /// The machine is off; its kubelet is silent, and its node not ready after a while.
    fn lose(&mut self, name: &str) {
        let reason = "connection timed out".to_owned();
        self.observed.hosts.insert(name.to_owned(), HostState::Unreachable { reason });
        self.control_planes.remove(name);
        self.api().nodes.get_mut(name).unwrap().ready = false;
    }

    fn judge(&self) -> ClusterHealth {
        judge(&self.query, &self.observed, &self.control_planes, self.now.parse().unwrap())
    }
}

fn member(name: &str) -> EtcdMember {
    EtcdMember { id: format!("a{name}").replace("cp-", ""), name: name.to_owned(), ..EtcdMember::default() }
}

#[track_caller]
fn reasons(change: impl FnOnce(&mut Seen), expected: &Expect) {
    let mut seen = Seen::well();
    change(&mut seen);
    let health = seen.judge();
    assert!(!health.healthy);
    expected.assert_eq(&health.reasons.join("\n"));
}

#[test]
fn a_cluster_that_is_well() {
    let health = Seen::well().judge();
    assert_eq!(health.reasons, [""; 0]);
    let all = HealthConditions {
        hosts_reachable: true,
        api_ready: true,
        etcd_quorum: true,
        etcd_healthy: true,
        nodes_ready: true,
        certificates_valid: true,
        addons_ready: true,
    };
    assert!(health.healthy);
    assert_eq!(health.conditions, all);
    assert_eq!(health.id.as_deref(), Some(UID));
    assert_eq!(health.certificates_expire_at.as_deref(), Some("2031-01-01T00:00:00Z"));
    let leaders: Vec<_> =
        health.etcd_members.iter().filter(|(_, member)| member.leader).map(|(name, _)| name).collect();
    assert_eq!(leaders, ["cp-2"]);
    assert_eq!(health.nodes["w-1"].role, "worker");
    assert_eq!(health.addons, [("canal".to_owned(), true)].into());
}

#[test]
fn a_cordoned_node_is_shown_and_is_no_harm() {
    let mut seen = Seen::well();
    seen.api().nodes.get_mut("w-1").unwrap().unschedulable = true;
    let health = seen.judge();
    assert!(health.healthy);
    assert!(!health.nodes["w-1"].schedulable);
}

#[test]
fn a_lost_control_plane_puts_the_quorum_in_danger() {
    reasons(
        |seen| seen.lose("cp-3"),
        &expect![[r#"
        cp-3 cannot be reached: connection timed out
        etcd loses its quorum with the next member: 2 of 3 members are healthy
        the etcd member on cp-3 is not healthy
        the node cp-3 is not ready"#]],
    );
}

#[test]
fn two_lost_control_planes_are_the_loss_of_the_quorum() {
    let lost = |seen: &mut Seen| {
        seen.lose("cp-3");
        seen.lose("cp-2");
        seen.control_planes.get_mut("cp-1").unwrap().etcd_healthy = false;
        seen.control_planes.get_mut("cp-1").unwrap().api_ready = false;
        seen.observed.api = ApiState::Silent { reason: "etcdserver: no leader".to_owned() };
    };
    reasons(
        lost,
        &expect![[r#"
        cp-2 cannot be reached: connection timed out
        cp-3 cannot be reached: connection timed out
        the Kubernetes API does not answer: etcdserver: no leader
        the API server on cp-1 is not ready
        etcd has no quorum: 0 of 3 members are healthy
        the etcd member on cp-1 is not healthy
        the etcd member on cp-2 is not healthy
        the etcd member on cp-3 is not healthy"#]],
    );
}

#[test]
fn nothing_answers() {
    let nothing = |seen: &mut Seen| {
        for name in ["cp-1", "cp-2", "cp-3", "w-1"] {
            seen.lose(name);
        }
        seen.observed.api = ApiState::Absent;
    };
    reasons(
        nothing,
        &expect![[r#"
        cp-1 cannot be reached: connection timed out
        cp-2 cannot be reached: connection timed out
        cp-3 cannot be reached: connection timed out
        w-1 cannot be reached: connection timed out
        no control plane that can be reached carries a Kubernetes API
        no member of etcd answers"#]],
    );
}

/// A kubelet's own certificate for its port. Nobody verifies it, and a year after the join it ends for good.
#[test]
fn a_certificate_that_nobody_verifies_may_end() {
    let mut seen = Seen::well();
    let path = "/var/lib/kubelet/pki/kubelet.crt".to_owned();
    seen.facts("w-1").certificates.insert(path.clone(), "2029-06-01T00:00:00Z".to_owned());
    let health = seen.judge();
    assert_eq!(health.reasons, [""; 0]);
    assert_eq!(health.certificates_expire_at.as_deref(), Some("2031-01-01T00:00:00Z"));
    assert!(health.certificates["w-1"].contains_key(&path));
}

#[test]
fn certificates_near_their_end() {
    let soon = |seen: &mut Seen| {
        seen.now = "2030-12-30T00:00:00Z";
        seen.facts("cp-1")
            .certificates
            .insert("/etc/kubernetes/admin.conf".to_owned(), "2030-12-29T00:00:00Z".to_owned());
        seen.facts("w-1").certificates.clear();
    };
    reasons(
        soon,
        &expect![[r#"
        the certificate /etc/kubernetes/admin.conf on cp-1 ended at 2030-12-29T00:00:00Z, and 1 more within 168h
        the certificate /etc/kubernetes/pki/apiserver.crt on cp-2 ends at 2031-01-01T00:00:00Z
        the certificate /etc/kubernetes/pki/apiserver.crt on cp-3 ends at 2031-01-01T00:00:00Z"#]],
    );
}

#[test]
fn nodes_and_addons() {
    let ill = |seen: &mut Seen| {
        seen.api().nodes.remove("cp-1");
        seen.api().nodes.get_mut("cp-2").unwrap().kubelet_version = "v1.35.4".to_owned();
        seen.api().nodes.get_mut("w-1").unwrap().ready = false;
        seen.api().addons.get_mut("canal").unwrap().ready = false;
        seen.api().missing = vec!["DaemonSet kube-system/kube-proxy".to_owned()];
    };
    reasons(
        ill,
        &expect![[r#"
        DaemonSet kube-system/kube-proxy is missing
        the cluster has no node cp-1
        the kubelet of cp-2 is v1.35.4 instead of 1.36.3
        the node w-1 is not ready
        the addon canal does not run everywhere it should"#]],
    );
}

#[test]
fn members_of_etcd() {
    let ill = |seen: &mut Seen| {
        for name in CONTROL_PLANES {
            let members = &mut seen.facts(name).etcd_members;
            members.push(EtcdMember { id: "dead".to_owned(), name: "cp-9".to_owned(), ..EtcdMember::default() });
            members.retain(|member| member.name != "cp-1");
            members[1].learner = true;
        }
    };
    reasons(
        ill,
        &expect![[r#"
        etcd has no quorum: 1 of 2 members are healthy
        the etcd member on cp-3 has no vote yet
        the etcd member cp-9 belongs to no control plane
        cp-1 has no member in etcd"#]],
    );
}

#[test]
fn hosts_of_others() {
    let others = |seen: &mut Seen| {
        seen.facts("cp-1").marker.as_mut().unwrap().uid = Some("another".to_owned());
        seen.facts("cp-2").marker.as_mut().unwrap().cluster = "test".to_owned();
        seen.facts("cp-3").marker.as_mut().unwrap().uid = None;
        seen.facts("w-1").marker = MarkerFile::Absent;
    };
    reasons(
        others,
        &expect![[r#"
        cp-1 belongs to another cluster of the same name
        cp-2 belongs to the cluster `test`
        cp-3 has not become a node yet
        w-1 carries no cluster of this provider"#]],
    );
}
