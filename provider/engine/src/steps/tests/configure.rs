//! Nodes get what their hosts' settings say: on the Node alone where that is enough, and on the host with a way back.

use kubeone_desired::kubelet;
use kubeone_plan::node_changes::NodeChange;

use super::*;

const NODE: &str = "GET /api/v1/nodes/w-1";
const CONFIGZ: &str = "GET /api/v1/nodes/w-1/proxy/configz";
const SCRIPT: &str = "os/linux/configure_kubelet.sh";

fn wanted(worker: &Value) -> Wanted {
    let mut spec = serde_json::to_value(spec()).unwrap();
    spec["static_workers"]["w-1"] = json!({ "address": "10.0.0.3" });
    spec["static_workers"]["w-1"].as_object_mut().unwrap().extend(worker.as_object().unwrap().clone());
    Wanted::new(serde_json::from_value(spec).unwrap())
}

fn of_kubelet() -> Vec<NodeChange> {
    vec![NodeChange::Kubelet { changes: vec!["max_pods default → 200".to_owned()] }]
}

fn ready_node(at: &str) -> Value {
    let ready = json!({ "type": "Ready", "status": "True", "lastHeartbeatTime": at });
    json!({ "metadata": { "name": "w-1" }, "status": { "conditions": [ready] } })
}

#[tokio::test]
async fn a_worker_that_had_joined_only_gets_what_is_missing() {
    let joined = json!({ "marker": marker(None), "kubelet_active": true, "kubernetes": { "kubelet_conf": true } });
    let host =
        FakeHost::new("w-1").answers("os/linux/observe.sh", seen(joined)).answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([peer(), host]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_nodes(&api, &[json!({ "metadata": { "name": "w-1" } })]);
    api.expect(NODE, 200, &json!({ "metadata": { "name": "w-1" } })).expect_echo("PATCH /api/v1/nodes/w-1");
    let wanted = Wanted::new(spec());
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let outcome = join_worker::run(&cx, "w-1").await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)));
    log(
        &fakes["w-1"],
        &expect![[r#"
            attach kubeone-join
            run os/linux/observe.sh
            run os/linux/record_files.sh
            write /etc/kubeone/cluster.json 644
        "#]],
    );
    assert_eq!(api.sent().last().unwrap().body["metadata"]["labels"], json!({ "tier": "blue" }));
}

#[tokio::test]
async fn labels_and_taints_are_set_without_a_look_at_the_host() {
    let settings = json!({
        "labels": { "pool": "general" }, "taints": [{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }],
    });
    let (hosts, fakes) = hosts([FakeHost::new("w-1").unreachable()]);
    let api = FakeApi::new();
    let node = json!({ "metadata": { "name": "w-1" }, "spec": { "taints": [{ "key": "x", "effect": "NoSchedule" }] } });
    api.expect(NODE, 200, &node).expect_echo("PATCH /api/v1/nodes/w-1");
    api.expect(NODE, 200, &node).expect_echo("PATCH /api/v1/nodes/w-1");
    let wanted = wanted(&settings);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    assert_eq!(configure_node::run(&cx, "w-1", Role::Worker, &[]).await.unwrap(), Outcome::Done);
    assert_eq!(fakes["w-1"].log(), [""; 0]);
    let sent = api.sent();
    assert_eq!(sent[1].body["metadata"]["labels"], json!({ "pool": "general" }));
    assert_eq!(sent[3].body["spec"]["taints"][1], json!({ "key": "dedicated", "value": "db", "effect": "NoSchedule" }));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_is_restarted_with_its_settings_and_looked_at() {
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers(SCRIPT, "the-invocation\n")
        .answers(SCRIPT, "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    let (before, after) = (ready_node("2026-03-01T12:00:00Z"), ready_node("2026-03-01T12:00:05Z"));
    api.expect(NODE, 200, &before).expect(NODE, 200, &before).expect_watch("/api/v1/nodes", &[before], &[after]);
    api.expect(CONFIGZ, 200, &json!({ "kubeletconfig": { "maxPods": 200 } }));
    let wanted = wanted(&json!({ "kubelet": { "max_pods": 200 } }));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let outcome = configure_node::run(&cx, "w-1", Role::Worker, &of_kubelet()).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
    log(
        &fakes["w-1"],
        &expect![[r#"
            attach kubeone-configure
            run os/linux/observe.sh
            run os/linux/configure_kubelet.sh as kubeone-configure
            run os/linux/configure_kubelet.sh
        "#]],
    );
    let calls = fakes["w-1"].calls();
    let Some(Call::Run(keep)) = calls.last() else { panic!("{calls:?}") };
    assert_eq!((keep.value("PART"), keep.value("INVOCATION")), (Some("keep"), Some("the-invocation")));
    assert!(variable(&fakes["w-1"], SCRIPT, "SETTINGS").contains("maxPods: 200"));
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_does_not_take_its_settings_gets_back_those_before() {
    let host = FakeHost::new("w-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(Some(UID)) })))
        .answers(SCRIPT, "the-invocation\n")
        .answers(SCRIPT, "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    api.expect(NODE, 200, &json!({ "metadata": { "name": "w-1" } }))
        .expect(NODE, 200, &json!({ "metadata": { "name": "w-1" } }))
        .expect(CONFIGZ, 200, &json!({ "kubeletconfig": { "maxPods": 110 } }));
    let wanted = wanted(&json!({ "kubelet": { "max_pods": 200 } }));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let error = configure_node::run(&cx, "w-1", Role::Worker, &of_kubelet()).await.unwrap_err();
    assert_eq!(error.to_string(), "the kubelet did not run well with its new settings; those before are back");
    let calls = fakes["w-1"].calls();
    let Some(Call::RunUnit { script, .. }) = calls.last() else { panic!("{calls:?}") };
    assert_eq!(script.value("PART"), Some("take_back"));
}

#[tokio::test]
async fn what_is_as_wanted_is_left_alone() {
    let settings = kubelet::file(&serde_json::from_value(json!({ "max_pods": 200 })).unwrap()).unwrap();
    let facts = json!({
        "marker": marker(Some(UID)), "kubelet_settings": settings,
        "files": { kubelet::SERVICE: kubelet::service_hash() },
    });
    let (hosts, fakes) = hosts([FakeHost::new("w-1").answers("os/linux/observe.sh", seen(facts))]);
    let api = FakeApi::new();
    api.expect(NODE, 200, &json!({ "metadata": { "name": "w-1" } }));
    let wanted = wanted(&json!({ "kubelet": { "max_pods": 200 } }));
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    let outcome = configure_node::run(&cx, "w-1", Role::Worker, &of_kubelet()).await.unwrap();
    assert!(matches!(outcome, Outcome::Skipped(_)));
    assert_eq!(fakes["w-1"].log(), ["attach kubeone-configure", "run os/linux/observe.sh"]);
}

#[tokio::test]
async fn the_first_kubelet_starts_with_its_settings() {
    let mut spec = spec();
    spec.control_plane.get_mut("cp-1").unwrap().kubelet.max_pods = Some(200);
    let host = FakeHost::new("cp-1")
        .answers("os/linux/observe.sh", seen(json!({ "marker": marker(None) })))
        .answers(SCRIPT, "")
        .answers("os/linux/kubeadm_init.sh", "")
        .answers("os/linux/remove_super_admin.sh", "")
        .answers("os/linux/record_files.sh", "");
    let (hosts, fakes) = hosts([host]);
    let api = FakeApi::new();
    expect_namespace(&api);
    expect_control_plane(&api, "cp-1");
    let wanted = Wanted::new(spec);
    let cx = Cx::new(&wanted, &hosts, CancellationToken::new()).with_cluster(api.cluster());
    init_control_plane::run(&cx, "cp-1", VERSION, false).await.unwrap();
    log(
        &fakes["cp-1"],
        &expect![[r#"
            attach kubeone-init
            run os/linux/observe.sh
            run os/linux/configure_kubelet.sh
            write /etc/kubeone/salt 600
            write /etc/kubernetes/kubeone-files/authentication.yaml 644
            run os/linux/kubeadm_init.sh as kubeone-init
            run os/linux/remove_super_admin.sh
            run os/linux/record_files.sh
            write /etc/kubeone/configured.json 644
            write /etc/kubeone/cluster.json 644
        "#]],
    );
    assert_eq!(variable(&fakes["cp-1"], SCRIPT, "PART"), "write");
}
