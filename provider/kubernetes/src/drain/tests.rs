//! What a drain asks of the API, and what it leaves alone.

use kubeone_spec::Span;

use super::*;
use crate::FakeApi;

const NODE: &str = "/api/v1/nodes/w-1";
const PODS: &str = "/api/v1/pods";

fn node(unschedulable: bool, annotations: &Value) -> Value {
    json!({ "metadata": { "name": "w-1", "annotations": annotations }, "spec": { "unschedulable": unschedulable } })
}

fn pod(name: &str, owner: Option<&str>) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|kind| json!({ "apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "x", "controller": true }))
        .collect();
    json!({ "metadata": { "name": name, "namespace": "web", "uid": name, "ownerReferences": owners } })
}

fn list(pods: &[Value]) -> Value {
    json!({ "metadata": {}, "items": pods })
}

fn eviction(pod: &str) -> String {
    format!("POST /api/v1/namespaces/web/pods/{pod}/eviction")
}

fn accepted() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })
}

/// What the API server says when a budget holds a pod.
fn held() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": { "causes": [{
            "reason": "DisruptionBudget", "message": "The disruption budget front needs 2 healthy pods and has 2 currently",
        }] },
    })
}

fn settings(seconds: u64, on_timeout: OnDrainTimeout) -> Drain {
    Drain { timeout: Span(Duration::from_secs(seconds)), on_timeout }
}

#[tokio::test]
async fn a_cordon_is_marked_and_taken_back() {
    let api = FakeApi::new();
    let marked = node(true, &json!({ CORDONED: "true" }));
    api.expect(&format!("GET {NODE}"), 200, &node(false, &json!({})))
        .expect(&format!("PATCH {NODE}"), 200, &marked)
        .expect(&format!("GET {NODE}"), 200, &marked)
        .expect(&format!("PATCH {NODE}"), 200, &node(false, &json!({})));
    assert!(api.cluster().cordon("w-1").await.unwrap());
    api.cluster().uncordon("w-1").await.unwrap();
    let sent = api.sent();
    let unschedulable = |number: usize| sent[number].body["spec"]["unschedulable"].clone();
    assert_eq!((unschedulable(1), unschedulable(3)), (json!(true), json!(false)));
    assert_eq!(sent[3].body["metadata"]["annotations"][CORDONED], Value::Null);
}

#[tokio::test]
async fn a_node_that_its_user_cordoned_stays_cordoned() {
    let api = FakeApi::new();
    for _ in 0..2 {
        api.expect(&format!("GET {NODE}"), 200, &node(true, &json!({})));
    }
    assert!(!api.cluster().cordon("w-1").await.unwrap());
    api.cluster().uncordon("w-1").await.unwrap();
}

#[tokio::test]
async fn a_cordon_of_a_killed_run_is_known_as_ours() {
    let api = FakeApi::new();
    let marked = node(true, &json!({ CORDONED: "true" }));
    api.expect(&format!("GET {NODE}"), 200, &marked).expect_missing(&format!("GET {NODE}"));
    assert!(api.cluster().cordon("w-1").await.unwrap());
    api.cluster().uncordon("w-1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pods_are_evicted_and_awaited() {
    let mirror = json!({ "metadata": {
        "name": "etcd-w-1", "namespace": "kube-system", "annotations": { "kubernetes.io/config.mirror": "x" },
    } });
    let stays = [pod("agent", Some("DaemonSet")), mirror];
    let all = [stays.clone().to_vec(), vec![pod("front", Some("ReplicaSet")), pod("bare", None)]].concat();
    let mut ends = pod("front", Some("ReplicaSet"));
    ends["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let api = FakeApi::new();
    api.expect(&format!("GET {PODS}"), 200, &list(&all))
        .expect(&eviction("front"), 201, &accepted())
        .expect_missing(&eviction("bare"))
        .expect(&format!("GET {PODS}"), 200, &list(&[ends]))
        .expect(&format!("GET {PODS}"), 200, &list(&stays));
    let drained = api.cluster().drain("w-1", &settings(60, OnDrainTimeout::Fail)).await.unwrap();
    assert_eq!(drained, Drained { left: 2, lost: vec!["web/bare".to_owned()], forced: Vec::new() });
    let sent = api.sent();
    assert!(sent[0].query.ends_with("fieldSelector=spec.nodeName%3Dw-1"));
    let eviction = sent.iter().find(|sent| sent.call == eviction("front")).unwrap();
    assert_eq!(eviction.body["deleteOptions"]["preconditions"]["uid"], "front");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_holds_a_pod_is_named() {
    let api = FakeApi::new();
    let front = list(&[pod("front", Some("ReplicaSet"))]);
    // Looks every 0.3 s for 1 s; asked once.
    for _ in 0..4 {
        api.expect(&format!("GET {PODS}"), 200, &front);
    }
    api.expect(&eviction("front"), 429, &held());
    let error = api.cluster().drain("w-1", &settings(1, OnDrainTimeout::Fail)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "empty node `w-1` within 1 s; still there: web/front (Cannot evict pod as it would violate the pod's disruption \
         budget: The disruption budget front needs 2 healthy pods and has 2 currently)"
    );
    assert!(error.hint().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_held_pod_is_asked_again() {
    let api = FakeApi::new();
    let front = list(&[pod("front", Some("ReplicaSet"))]);
    for _ in 0..8 {
        api.expect(&format!("GET {PODS}"), 200, &front);
    }
    api.expect(&eviction("front"), 429, &held()).expect(&eviction("front"), 201, &accepted()).expect(
        &format!("GET {PODS}"),
        200,
        &list(&[]),
    );
    let drained = api.cluster().drain("w-1", &settings(60, OnDrainTimeout::Fail)).await.unwrap();
    assert_eq!(drained, Drained { left: 1, ..Drained::default() });
    assert_eq!(drained.warning(), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_stays_too_long_is_deleted_if_the_user_wants_it() {
    let api = FakeApi::new();
    let front = list(&[pod("front", Some("ReplicaSet"))]);
    // Four looks until time is over, and one before the deletion.
    for _ in 0..5 {
        api.expect(&format!("GET {PODS}"), 200, &front);
    }
    api.expect(&eviction("front"), 429, &held())
        .expect("DELETE /api/v1/namespaces/web/pods/front", 200, &accepted())
        .expect(&format!("GET {PODS}"), 200, &list(&[]));
    let drained = api.cluster().drain("w-1", &settings(1, OnDrainTimeout::Force)).await.unwrap();
    assert_eq!(drained.forced, ["web/front"]);
    assert_eq!(drained.warning().as_deref(), Some("these pods did not leave in time and were deleted: web/front"));
}

#[tokio::test]
async fn the_pods_of_a_dead_machine_are_forgotten_at_once() {
    let api = FakeApi::new();
    let pods = [pod("agent", Some("DaemonSet")), pod("bare", None)];
    api.expect(&format!("GET {PODS}"), 200, &list(&pods))
        .expect("DELETE /api/v1/namespaces/web/pods/agent", 200, &accepted())
        .expect_missing("DELETE /api/v1/namespaces/web/pods/bare");
    assert_eq!(api.cluster().abandon_pods("w-1").await.unwrap(), ["web/bare"]);
    let deletion = api.sent().into_iter().find(|sent| sent.call.starts_with("DELETE")).unwrap();
    assert_eq!(deletion.body["gracePeriodSeconds"], 0);
}

#[tokio::test]
async fn the_pods_of_a_node_that_registers_anew_end_in_good_order() {
    let api = FakeApi::new();
    let mut mirror = pod("etcd", Some("Node"));
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "1" });
    api.expect(&format!("GET {PODS}"), 200, &list(&[mirror, pod("agent", Some("DaemonSet")), pod("bare", None)]))
        .expect("DELETE /api/v1/namespaces/web/pods/agent", 200, &accepted())
        .expect("DELETE /api/v1/namespaces/web/pods/bare", 200, &accepted());
    assert_eq!(api.cluster().renew_pods("w-1").await.unwrap(), ["web/bare"]);
    let deletions = api.sent().into_iter().filter(|sent| sent.call.starts_with("DELETE"));
    assert!(deletions.map(|sent| sent.body).all(|body| body["gracePeriodSeconds"].is_null()));
}
