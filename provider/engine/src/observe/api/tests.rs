//! Which control planes are asked, and what becomes of those that are not: what a host says of itself is no reason to read
//! its credentials.

use std::collections::BTreeMap;

use kubeone_desired::kubeadm::API_SERVER_MANIFEST;
use kubeone_facts::marker;
use kubeone_hosts::{FakeHost, RemoteFile};
use kubeone_plan::wanted::LeavingHost;
use kubeone_spec::{ClusterSpec, ClusterStatusSpec};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::health::look_after;
use crate::import::{Entrance, import};
use crate::observe::{ADMIN_CONF, CA_CERTIFICATE, observe};

/// As in a run that knows of no restore.
async fn connect(wanted: &Wanted, hosts: &Hosts) -> Result<Cluster, StepError> {
    super::connect(wanted, hosts, Backing::default()).await
}

const OBSERVE: &str = "os/linux/observe.sh";
const UID: &str = "00000000-0000-0000-0000-000000000001";
/// What kubeadm wrote on a host of a cluster that is no more.
const KUBECONFIG: &str = include_str!("../../kubeconfig/testdata/printed.yaml");
/// A CA that is another one.
const OTHER_CA: &str = include_str!("../../testdata/ca.crt");

fn ca() -> String {
    Kubeconfig::parse(KUBECONFIG.as_bytes()).unwrap().ca_certificate()
}

fn marker(cluster: &str, uid: Option<&str>) -> String {
    json!({ "cluster": cluster, "uid": uid, "provider_version": "0.1.0" }).to_string()
}

fn restored(when: &str) -> String {
    json!({ "cluster": "prod", "uid": UID, "provider_version": "0.1.0", "restored": format!("{when} x") }).to_string()
}

/// A host with what kubeadm leaves on a control plane, as its files and its answers show it.
fn control_plane(name: &str, marker: &str, ca: &str, kubeconfig: &str) -> FakeHost {
    let der: String = ca.lines().filter(|line| !line.starts_with('-')).collect();
    let seen = json!({
        "marker": marker, "etcd_members": "", "kubernetes": { "admin_conf": true, "kubelet_conf": true },
        "certificates": { CA_CERTIFICATE: der },
    });
    let host = FakeHost::new(name)
        .answers(OBSERVE, seen.to_string())
        .has_file(RemoteFile::private(ADMIN_CONF, kubeconfig))
        .has_file(RemoteFile::public(CA_CERTIFICATE, ca));
    if marker.is_empty() { host } else { host.has_file(RemoteFile::public(marker::PATH, marker)) }
}

fn spec(control_planes: usize) -> ClusterSpec {
    let hosts = (1..=control_planes).map(|n| (format!("cp-{n}"), json!({ "address": format!("10.0.0.{n}") })));
    serde_json::from_value(json!({
        "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
        "control_plane": hosts.collect::<serde_json::Map<_, _>>(),
        "static_workers": { "w-1": { "address": "10.0.1.1" } },
    }))
    .unwrap()
}

/// A cluster of the state, with its CA or without.
fn known(control_planes: usize, ca: Option<String>) -> Wanted {
    Wanted { uid: Some(UID.to_owned()), ca_certificate: ca, ..Wanted::new(spec(control_planes)) }
}

struct World {
    hosts: Hosts,
    fakes: BTreeMap<String, Arc<FakeHost>>,
}

fn world(hosts: impl IntoIterator<Item = FakeHost>) -> World {
    let fakes: BTreeMap<_, _> = hosts.into_iter().map(|host| (host.name().to_owned(), Arc::new(host))).collect();
    let wanted = fakes.iter().map(|(name, host)| (name.clone(), host.clone() as Arc<dyn Host>)).collect();
    World { hosts: Hosts { wanted, ..Hosts::default() }, fakes }
}

impl World {
    /// Whose credentials were read, and where streams were opened.
    fn used(&self) -> (Vec<&str>, Vec<&str>) {
        let those = |call: &str| {
            let calls = |host: &FakeHost| host.log().iter().any(|it| it.starts_with(call));
            self.fakes.values().filter(|host| calls(host)).map(|host| host.name()).collect()
        };
        (those(&format!("read {ADMIN_CONF}")), those("tunnel"))
    }
}

const NO_HOST: (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());

/// A kubeconfig whose user is made by a command that leaves a trace on the machine that reads it.
fn with_command(trace: &std::path::Path) -> String {
    let user = format!(
        "  user:\n    exec: {{ apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{trace:?}], \
         interactiveMode: Never }}\n"
    );
    KUBECONFIG.split("  user:\n    client").next().unwrap().to_owned() + &user
}

fn query() -> ClusterStatusSpec {
    serde_json::from_value(json!({ "cluster": {
        "id": UID, "name": "prod", "kubernetes_version": "1.35.4", "api_endpoint": { "host": "10.0.0.9" },
        "control_plane": { "cp-1": { "address": "10.0.0.1" } },
    } }))
    .unwrap()
}

#[tokio::test]
async fn a_status_runs_no_command_of_a_host() {
    let home = TempDir::new().unwrap();
    let trace = home.path().join("trace");
    for marker in [String::new(), marker("prod", Some(UID))] {
        let host = control_plane("cp-1", &marker, &ca(), &with_command(&trace));
        let world = world([host.answers("os/linux/control_plane_status.sh", "")]);
        let health = look_after(&query(), &world.hosts).await;
        assert!(!trace.exists(), "the host ran a command here");
        let told = health.reasons.iter().any(|reason| reason.contains("`users[0].user.exec` is not accepted"));
        assert_eq!(told, !marker.is_empty(), "{:?}", health.reasons);
    }
}

#[tokio::test]
async fn nothing_but_an_accepted_kubeconfig_opens_a_stream() {
    let home = TempDir::new().unwrap();
    let trace = home.path().join("trace");
    let worlds = || world([control_plane("cp-1", &marker("prod", Some(UID)), &ca(), &with_command(&trace))]);
    let refused = |error: StepError| {
        assert!(causes(&error).contains("`users[0].user.exec` is not accepted"), "{}", causes(&error));
        assert!(error.hint().is_some_and(|hint| hint.contains("kubeadm")));
    };
    let wanted = known(1, Some(ca()));
    let seen = worlds();
    assert!(matches!(observe(&wanted, &seen.hosts).await.api, ApiState::Silent { reason } if reason.contains("exec")));
    refused(connect(&wanted, &worlds().hosts).await.err().unwrap());
    refused(connect_to_new(&wanted, &worlds().hosts, "cp-1").await.err().unwrap());
    refused(connect_to_begun(&wanted, &worlds().hosts, "cp-1").await.err().unwrap());
    refused(ca_sha256(&wanted, &worlds().hosts).await.unwrap_err());
    refused(connect_through(worlds().hosts.wanted["cp-1"].clone(), 6443).await.err().unwrap());
    let entrance = Entrance { address: "10.0.0.1".to_owned(), ..Entrance::default() };
    let host = control_plane("cp-1", "", &ca(), &with_command(&trace))
        .has_file(RemoteFile::public(API_SERVER_MANIFEST, "- --secure-port=6443"));
    let error = import(&entrance, Arc::new(host)).await.unwrap_err();
    assert!(causes(&error).contains("`users[0].user.exec` is not accepted"), "{}", causes(&error));
    assert!(!trace.exists(), "the host ran a command here");
}

#[tokio::test(start_paused = true)]
async fn only_a_finished_control_plane_of_this_cluster_is_looked_through() {
    for (marker, wanted, is_asked) in [
        (marker("prod", Some(UID)), known(1, None), true),
        (marker("prod", Some(UID)), Wanted::new(spec(1)), true),
        (marker("prod", None), known(1, Some(ca())), false),
        (marker("prod", None), Wanted::new(spec(1)), false),
        (marker("other", Some(UID)), known(1, Some(ca())), false),
        (marker("prod", Some("another")), known(1, Some(ca())), false),
        (String::new(), Wanted::new(spec(1)), false),
        (String::new(), known(1, None), false),
        (String::new(), known(1, Some(OTHER_CA.to_owned())), false),
        (String::new(), Wanted { uid: None, ..known(1, Some(ca())) }, false),
        (String::new(), Wanted { uid: Some(String::new()), ..known(1, Some(ca())) }, false),
        (String::new(), known(1, Some(ca())), true),
        (String::new(), Wanted { imported: true, ..known(1, Some(ca())) }, true),
        // A certificate of the state that is no longer alone.
        (String::new(), known(1, Some(OTHER_CA.to_owned() + &ca())), true),
    ] {
        let seen = world([control_plane("cp-1", &marker, &ca(), KUBECONFIG)]);
        let observed = observe(&wanted, &seen.hosts).await;
        let expected = if is_asked { (vec!["cp-1"], vec!["cp-1"]) } else { NO_HOST };
        assert_eq!(seen.used(), expected, "a look: {marker} {wanted:?}");
        assert_eq!(matches!(observed.api, ApiState::Absent), !is_asked);

        let changed = world([control_plane("cp-1", &marker, &ca(), KUBECONFIG)]);
        let cluster = connect(&wanted, &changed.hosts).await;
        assert_eq!(changed.used().0, expected.0, "a change: {marker} {wanted:?}");
        assert_eq!(cluster.is_ok(), is_asked);
    }
}

/// Its CA is known, and it names another one beside that.
#[tokio::test(start_paused = true)]
async fn a_second_authority_does_not_come_in_with_the_first() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let (own, both) = (BASE64_STANDARD.encode(ca()), BASE64_STANDARD.encode(ca() + OTHER_CA));
    let kubeconfig = KUBECONFIG.replace(&own, &both);
    assert_ne!(kubeconfig, KUBECONFIG);
    let refused = "trusts another CA than that of the cluster in Terraform's state";
    for (marker, is_asked) in [(String::new(), false), (marker("prod", Some(UID)), true)] {
        let world = world([control_plane("cp-1", &marker, &ca(), &kubeconfig)]);
        let observed = observe(&known(1, Some(ca())), &world.hosts).await;
        let ApiState::Silent { reason } = observed.api else { panic!("{:?}", observed.api) };
        assert_eq!(reason.contains(refused), !is_asked, "{reason}");
        assert_eq!(!world.used().1.is_empty(), is_asked);
        assert_eq!(connect(&known(1, Some(ca())), &world.hosts).await.is_ok(), is_asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_never_asked() {
    let worker = || control_plane("w-1", &marker("prod", Some(UID)), &ca(), KUBECONFIG);
    let world = world([worker()]);
    observe(&known(1, Some(ca())), &world.hosts).await;
    assert!(connect(&known(1, Some(ca())), &world.hosts).await.is_err());
    assert_eq!(world.used(), NO_HOST);
    let leaves = LeavingHost {
        role: Role::Worker,
        host: spec(1).static_workers["w-1"].clone(),
        address_taken: false,
        host_key: None,
    };
    let wanted = Wanted { leaving: [("w-1".to_owned(), leaves)].into(), ..known(1, Some(ca())) };
    let fake = Arc::new(worker());
    let leaving: BTreeMap<_, _> = [("w-1".to_owned(), fake.clone() as Arc<dyn Host>)].into();
    let hosts = Hosts { leaving, ..Hosts::default() };
    observe(&wanted, &hosts).await;
    assert!(connect(&wanted, &hosts).await.is_err());
    assert!(
        fake.log().iter().all(|call| !call.contains(ADMIN_CONF) && !call.starts_with("tunnel")),
        "{:?}",
        fake.log()
    );
}

#[tokio::test(start_paused = true)]
async fn strangers_are_passed_over_and_those_of_the_cluster_are_asked() {
    let hosts = || {
        [
            control_plane("cp-1", "", &ca(), "not even read"),
            control_plane("cp-2", &marker("other", Some(UID)), &ca(), "not even read"),
            control_plane("cp-3", &marker("prod", None), &ca(), "not even read"),
            control_plane("cp-4", &marker("prod", Some(UID)), &ca(), KUBECONFIG),
        ]
    };
    let seen = world(hosts());
    observe(&known(4, None), &seen.hosts).await;
    assert_eq!(seen.used(), (vec!["cp-4"], vec!["cp-4"]));
    let changed = world(hosts());
    let cluster = connect(&known(4, None), &changed.hosts).await.unwrap();
    assert!(cluster.uid(Duration::from_secs(1)).await.is_err());
    // The one that has begun may be finished by then.
    assert_eq!(changed.used(), (vec!["cp-4"], vec!["cp-3", "cp-4"]));
    let error = connect(&known(2, None), &world(hosts()).hosts).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "no control plane answers: cp-1: no marker says that it is a node of this cluster; cp-2: it belongs to another cluster"
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_there_at_the_last_restore_is_believed_first() {
    let hosts = [
        control_plane("cp-1", &restored("2026-01-01T00:00:00Z"), &ca(), "not even read"),
        control_plane("cp-2", &restored("2026-02-01T00:00:00Z"), &ca(), KUBECONFIG),
        control_plane("cp-3", "", &ca(), "not even read"),
    ];
    let world = world(hosts);
    // The plan believed it; alone, no other host would.
    let marker = kubeone_facts::Marker::parse(&restored("2026-02-01T00:00:00Z"));
    let backing = Backing { believed: marker.as_ref().unwrap().restored.as_deref(), ..Backing::default() };
    super::connect(&known(3, Some(ca())), &world.hosts, backing).await.unwrap();
    assert_eq!(world.used().0, ["cp-2"]);
}

/// A marker is text that anyone can write.
#[tokio::test(start_paused = true)]
async fn of_those_with_a_marker_who_trusts_the_known_authority_comes_first() {
    let marked = marker("prod", Some(UID));
    let own = Kubeconfig::parse(KUBECONFIG.as_bytes()).unwrap();
    let trusts = |ca: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        KUBECONFIG.replace(&BASE64_STANDARD.encode(own.ca_certificate()), &BASE64_STANDARD.encode(ca))
    };
    let hosts = || {
        [
            control_plane("cp-1", &marked, OTHER_CA, &trusts(OTHER_CA)),
            control_plane("cp-2", &marked, &ca(), &trusts(&(ca() + OTHER_CA))),
            control_plane("cp-3", &marked, &ca(), KUBECONFIG),
        ]
    };
    let authority = async |wanted: &Wanted| ca_sha256(wanted, &world(hosts()).hosts).await.unwrap();
    let sha256 = |pem: &str| certificates::sha256_of_pem(pem).unwrap();
    assert_eq!(authority(&known(3, Some(ca()))).await, sha256(&ca()));
    let all = world(hosts());
    observe(&known(3, Some(ca())), &all.hosts).await;
    assert_eq!(all.used().0, ["cp-1", "cp-2", "cp-3"]);
    // Without one that does, or of a state that does not know, the first.
    assert_eq!(authority(&known(2, Some(ca()))).await, sha256(OTHER_CA));
    assert_eq!(authority(&known(3, None)).await, sha256(OTHER_CA));
    let first = world(hosts());
    observe(&known(3, None), &first.hosts).await;
    assert_eq!(first.used().0, ["cp-1"]);
}

/// Nothing but this run says that the cluster on the first host is the one.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_begins_is_reached_through_its_own_host() {
    let hosts = [
        control_plane("cp-1", &marker("prod", Some("the-one-before")), &ca(), "not even read"),
        control_plane("cp-2", &marker("prod", None), &ca(), KUBECONFIG),
        FakeHost::new("cp-3"),
    ];
    let world = world(hosts);
    let wanted = Wanted { uid: Some("lost".to_owned()), ..Wanted::new(spec(3)) };
    let cluster = connect_to_new(&wanted, &world.hosts, "cp-2").await.unwrap();
    assert!(cluster.uid(Duration::from_secs(1)).await.is_err());
    assert_eq!(world.used(), (vec!["cp-2"], vec!["cp-2", "cp-3"]));
    connect_to_begun(&wanted, &world.hosts, "cp-2").await.unwrap();
    assert_eq!(world.used().0, ["cp-2"]);
}

#[test]
fn claims_are_told_apart() {
    let wanted = known(1, Some(ca()));
    let judged = |marker: Option<&str>, ca: Option<&str>, wanted: &Wanted| {
        let claim = Claim::made_of(marker, ca);
        claim.judge(wanted, &claim.marker().into_iter().collect::<Vec<_>>())
    };
    let trusted = |trust| Verdict::Trusted(trust, None);
    assert_eq!(judged(None, None, &wanted), Verdict::MayBecomeOne);
    assert_eq!(judged(Some("{"), None, &wanted), Verdict::Refused("its /etc/kubeone/cluster.json cannot be read"));
    // A marker that was lost, as in a power cut, is as good as none.
    assert_eq!(judged(Some(""), Some(&ca()), &wanted), trusted(Trust::Authority));
    assert_eq!(
        judged(Some(""), Some("gibberish"), &wanted),
        Verdict::Refused("its /etc/kubeone/cluster.json cannot be read")
    );
    // A cluster that took the place of the one in the state, by an apply that was cut off.
    let replaces =
        |uid: &str| json!({ "cluster": "prod", "uid": "new", "provider_version": "", "replaces": uid }).to_string();
    assert_eq!(judged(Some(&replaces(UID)), None, &wanted), trusted(Trust::Marker));
    assert!(matches!(judged(Some(&replaces("x")), None, &wanted), Verdict::Refused(_)));
    let is_list = Value::String("[]".to_owned()).to_string();
    assert!(matches!(judged(Some(&is_list), None, &wanted), Verdict::Refused(_)));
}
