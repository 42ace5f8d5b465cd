//! What removing a node asks for, in which order, and what it leaves alone.

use kubeone_plan::wanted::LeavingHost;

use super::*;
use crate::observe::causes;

const CP_MEMBERS: &str = r#"{"members":[
    {"ID":"1","name":"cp-1","peerURLs":["https://10.0.0.1:2380"]},
    {"ID":"2","name":"cp-2","peerURLs":["https://10.0.0.2:2380"]},
    {"ID":"31","name":"cp-9","peerURLs":["https://10.0.0.19:2380"]}]}"#;

/// The settings, and one more host that they named before.
fn wanted_without(name: &str, role: Role) -> Wanted {
    let host = serde_json::from_value(json!({ "address": "10.0.0.19" })).unwrap();
    let leaving = LeavingHost { role, host, address_taken: false, host_key: None };
    Wanted { leaving: BTreeMap::from([(name.to_owned(), leaving)]), ..Wanted::new(spec()) }
}

/// Hosts that stay, and perhaps one that leaves.
fn with_leaver<const N: usize>(
    stay: [FakeHost; N],
    leaver: Option<FakeHost>,
) -> (Hosts, BTreeMap<String, Arc<FakeHost>>) {
    let (mut all, mut fakes) = hosts(stay);
    if let Some(leaver) = leaver {
        let (name, leaver) = (leaver.name().to_owned(), Arc::new(leaver));
        all.leaving.insert(name.clone(), leaver.clone());
        fakes.insert(format!("leaving {name}"), leaver);
    }
    (all, fakes)
}

fn leaver(name: &str) -> FakeHost {
    let facts = json!({
        "machine_id": "old", "marker": marker(Some(UID)), "kubelet_active": true, "kubernetes": { "kubelet_conf": true },
    });
    FakeHost::new(name)
        .answers("os/linux/observe.sh", seen(facts))
        .answers("os/linux/reset_node.sh", "")
        .answers("os/debian/remove_packages.sh", "")
        .answers("os/linux/remove_configuration.sh", "")
}

fn control_plane(name: &str) -> FakeHost {
    FakeHost::new(name)
        .has_file(RemoteFile::public(kubeone_facts::marker::PATH, marker(Some(UID))))
        .answers("os/linux/etcd_members.sh", CP_MEMBERS)
}

/// A host that has its Node is not asked whether it is the machine that leaves; all of them have theirs.
fn expect_all_nodes(api: &FakeApi, leaver: impl Into<Option<&'static str>>) {
    expect_namespace(api);
    let node = |name: &str, machine: &str| {
        json!({ "metadata": { "name": name }, "status": { "nodeInfo": {
            "machineID": machine, "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": "v1.35.4", "operatingSystem": "", "osImage": "", "systemUUID": "",
        } } })
    };
    let mut nodes = vec![node("cp-1", "a"), node("cp-2", "b"), node("w-1", "c")];
    nodes.extend(leaver.into().map(|leaver| node(leaver, "old")));
    expect_nodes(api, &nodes);
}

fn expect_drain(api: &FakeApi, name: &str) {
    let node = json!({ "metadata": { "name": name }, "spec": {} });
    api.expect(&format!("GET /api/v1/nodes/{name}"), 200, &node)
        .expect(&format!("PATCH /api/v1/nodes/{name}"), 200, &node)
        .expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
}

fn expect_deletion(api: &FakeApi, name: &str) {
    api.expect(&format!("DELETE /api/v1/nodes/{name}"), 200, &json!({ "kind": "Status", "status": "Success" }));
}

#[tokio::test]
async fn a_worker_is_emptied_deleted_and_reset() {
    let wanted = wanted_without("w-9", Role::Worker);
    let (hosts, fakes) = with_leaver([], Some(leaver("w-9")));
    let api = FakeApi::new();
    expect_all_nodes(&api, "w-9");
    expect_drain(&api, "w-9");
    expect_deletion(&api, "w-9");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(remove_node::run(&cx, "w-9", Role::Worker).await.unwrap(), Outcome::Done);
    log(
        &fakes["leaving w-9"],
        &expect![[r#"
        run os/linux/observe.sh
        attach kubeone-prepare
        attach kubeone-init
        attach kubeone-join
        run os/linux/reset_node.sh as kubeone-reset
        run os/debian/remove_packages.sh as kubeone-reset
        run os/linux/remove_configuration.sh
    "#]],
    );
    let calls: Vec<_> = api.sent().into_iter().map(|sent| sent.call).collect();
    let position = |call: &str| calls.iter().position(|sent| sent == call).unwrap();
    assert!(position("PATCH /api/v1/nodes/w-9") < position("GET /api/v1/pods"));
    assert!(position("GET /api/v1/pods") < position("DELETE /api/v1/nodes/w-9"));
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_a_dead_worker_are_given_up() {
    let wanted = wanted_without("w-9", Role::Worker);
    let (hosts, _) = with_leaver([], Some(FakeHost::new("w-9").unreachable()));
    let api = FakeApi::new();
    expect_all_nodes(&api, "w-9");
    api.expect_missing("GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/w-9");
    expect_deletion(&api, "w-9");
    api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [] }));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let outcome = remove_node::run(&cx, "w-9", Role::Worker).await.unwrap();
    assert!(outcome.to_string().contains("given up"), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_emptied_stays_and_is_schedulable_again() {
    let mut wanted = wanted_without("w-9", Role::Worker);
    wanted.spec.drain.timeout = "1s".parse().unwrap();
    let facts = json!({ "machine_id": "old", "marker": marker(Some(UID)), "kubelet_active": true });
    let (hosts, fakes) = with_leaver([], Some(FakeHost::new("w-9").answers("os/linux/observe.sh", seen(facts))));
    let api = FakeApi::new();
    expect_all_nodes(&api, "w-9");
    let node = |spec: Value| json!({ "metadata": { "name": "w-9", "annotations": { "kubeone/cordoned": "true" } }, "spec": spec });
    let pod = json!({ "metadata": { "name": "db", "namespace": "x", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    let cordoned = node(json!({ "unschedulable": true }));
    api.expect("GET /api/v1/nodes/w-9", 200, &node(json!({}))).expect("PATCH /api/v1/nodes/w-9", 200, &cordoned);
    for _ in 0..4 {
        api.expect("GET /api/v1/pods", 200, &json!({ "metadata": {}, "items": [pod] }));
    }
    api.expect("GET /api/v1/nodes/w-9", 200, &cordoned).expect("PATCH /api/v1/nodes/w-9", 200, &node(json!({})));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = remove_node::run(&cx, "w-9", Role::Worker).await.unwrap_err();
    assert!(error.hint().unwrap().contains("drain.timeout"), "{error}");
    assert_eq!(api.sent().last().unwrap().body["spec"]["unschedulable"], false);
    log(&fakes["leaving w-9"], &expect![["run os/linux/observe.sh\n"]]);
}

#[tokio::test]
async fn a_control_plane_leaves_etcd_through_another_one() {
    let wanted = wanted_without("cp-9", Role::ControlPlane);
    let leaver = leaver("cp-9").answers("os/linux/leave_control_plane.sh", "");
    let stay = [control_plane("cp-1").answers("os/linux/remove_etcd_member.sh", ""), control_plane("cp-2")];
    let (hosts, fakes) = with_leaver(stay, Some(leaver));
    let api = FakeApi::new();
    expect_all_nodes(&api, "cp-9");
    expect_drain(&api, "cp-9");
    expect_deletion(&api, "cp-9");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(remove_node::run(&cx, "cp-9", Role::ControlPlane).await.unwrap(), Outcome::Done);
    assert_eq!(variable(&fakes["cp-1"], "os/linux/remove_etcd_member.sh", "MEMBER_ID"), "31");
    assert_eq!(variable(&fakes["leaving cp-9"], "os/linux/leave_control_plane.sh", "SUCCESSOR"), "1");
    log(
        &fakes["cp-2"],
        &expect![[r#"
        read /etc/kubeone/cluster.json
        run os/linux/etcd_members.sh
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_stays_when_the_others_are_no_quorum() {
    let wanted = wanted_without("cp-9", Role::ControlPlane);
    let (hosts, fakes) = with_leaver([control_plane("cp-1"), FakeHost::new("cp-2").unreachable()], None);
    let api = FakeApi::new();
    expect_all_nodes(&api, "cp-9");
    api.expect_missing("GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/cp-9");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = remove_node::run(&cx, "cp-9", Role::ControlPlane).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "without the member of cp-9, etcd would have 2 voting members, of which only 1 answer; nothing was taken from it"
    );
    assert!(fakes["cp-1"].log().iter().all(|call| !call.contains("remove_etcd_member")));
}

/// The new machine of the same name has joined already; only the old one is left to reset.
#[tokio::test]
async fn a_successor_keeps_its_node_and_its_member() {
    let mut wanted = wanted_without("cp-2", Role::ControlPlane);
    "10.0.0.29".clone_into(&mut wanted.leaving.get_mut("cp-2").unwrap().host.address);
    let joined = json!({
        "machine_id": "b", "marker": marker(Some(UID)), "kubelet_active": true,
        "kubernetes": { "kubelet_conf": true, "etcd_data": true },
    });
    let stay = [control_plane("cp-1"), control_plane("cp-2").answers("os/linux/observe.sh", seen(joined))];
    let (hosts, fakes) = with_leaver(stay, Some(leaver("cp-2")));
    let api = FakeApi::new();
    expect_all_nodes(&api, None);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(remove_node::run(&cx, "cp-2", Role::ControlPlane).await.unwrap(), Outcome::Done);
    assert!(fakes["leaving cp-2"].log().iter().any(|call| call.contains("remove_configuration")));
}

#[tokio::test]
async fn a_machine_that_keeps_working_under_another_name_is_not_reset() {
    let wanted = wanted_without("w-9", Role::Worker);
    let leaver = FakeHost::new("w-9").answers(
        "os/linux/observe.sh",
        seen(json!({ "machine_id": "c", "marker": marker(Some(UID)), "kubelet_active": true })),
    );
    let (hosts, fakes) = with_leaver([], Some(leaver));
    let api = FakeApi::new();
    // Its old Node is gone; its new one is `w-1`.
    expect_all_nodes(&api, None);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(remove_node::run(&cx, "w-9", Role::Worker).await.unwrap(), Outcome::Done);
    log(&fakes["leaving w-9"], &expect![["run os/linux/observe.sh\n"]]);
}

/// What is on it is not known, so it is not reported as cleaned.
#[tokio::test]
async fn a_machine_that_answers_strangely_is_not_taken_for_gone() {
    let wanted = wanted_without("w-9", Role::Worker);
    let strange = FakeHost::new("w-9").answers("os/linux/observe.sh", "\u{1b}[32mall clean");
    let (hosts, _) = with_leaver([], Some(strange));
    let api = FakeApi::new();
    expect_all_nodes(&api, "w-9");
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = remove_node::run(&cx, "w-9", Role::Worker).await.unwrap_err();
    assert!(causes(&error).contains("[w-9] unusable answer of `os/linux/observe.sh`"), "{error:?}");
    assert!(error.hint().unwrap().contains("Is this the machine you mean"), "{error:?}");
}
