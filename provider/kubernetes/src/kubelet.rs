//! What the kubelet of a node says of itself: with which settings it runs, and that it reports.

use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node as KubernetesNode, NodeCondition};
use kube::runtime::watcher;
use kubeone_spec::Span;
use serde_json::Value;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    nodes::{look_for_ready, ready_condition},
    wait::{Seen, await_each},
};

impl Cluster {
    /// Waits until the kubelet of a node says with which settings it runs. It is an error when these, which are a part of
    /// its `KubeletConfiguration`, are not among them.
    pub async fn check_kubelet_configuration(
        &self,
        name: &str,
        settings: &Value,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let path = format!("/api/v1/nodes/{name}/proxy/configz");
        let running: Value = ask(format!("ask the kubelet of {name} for its settings"), deadline, || async {
            let request = Request::get(&path).body(Vec::new()).map_err(kube::Error::HttpError)?;
            self.client.request(request).await.map_err(later)
        })
        .await?;
        let what = format!("the kubelet of {name}");
        match difference(settings, &running["kubeletconfig"], "") {
            Some(difference) => Err(ClusterError::Otherwise { what, difference }),
            None => Ok(()),
        }
    }

    /// When the kubelet of a node said last that the node is Ready; `None` when it is not.
    pub async fn last_ready_report(&self, name: &str) -> Result<Option<Timestamp>, ClusterError> {
        let act = format!("read Node {name}");
        let node = ask(act, PATIENCE, || async { self.nodes_api().get(name).await }).await?;
        Ok(ready_condition(&node).filter(|ready| ready.status == "True").and_then(reported_at))
    }

    /// Waits until the kubelet of a node says once more that the node is Ready. One that starts anew says so as soon as it
    /// has found its way: what it said before stays in the API until then.
    pub async fn await_ready_report(
        &self,
        name: &str,
        after: Timestamp,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let what = format!("Node {name} Ready again");
        let scope = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let look = |node: &KubernetesNode| match ready_condition(node).and_then(reported_at) {
            Some(at) if at > after => look_for_ready(node),
            _ => Seen::Otherwise("its kubelet has not reported yet".to_owned()),
        };
        await_each(self.nodes_api(), scope, [name.to_owned()], &what, deadline, look).await
    }
}

fn reported_at(condition: &NodeCondition) -> Option<Timestamp> {
    condition.last_heartbeat_time.as_ref().map(|time| time.0)
}

/// A kubelet that starts is out of the API server's reach for a moment, which says so in several ways.
fn later(error: kube::Error) -> kube::Error {
    match error {
        kube::Error::Api(status) if !status.is_forbidden() => kube::Error::Service(status.into()),
        other => other,
    }
}

/// The first setting that is not as wanted, in words.
fn difference(wanted: &Value, running: &Value, name: &str) -> Option<String> {
    match (wanted, running) {
        (Value::Object(wanted), _) => wanted.iter().find_map(|(key, wanted)| {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            difference(wanted, &running[key], &name)
        }),
        (Value::String(wanted), Value::String(running)) if is_same(wanted, running) => None,
        _ if wanted == running => None,
        (_, Value::Null) => Some(format!("runs without `{name}`")),
        _ => Some(format!("runs with `{name}` {running}")),
    }
}

/// The kubelet writes lengths of time in its own way: `1m0s`.
fn is_same(wanted: &str, running: &str) -> bool {
    let span = |text: &str| text.parse::<Span>().ok();
    wanted == running || span(wanted).is_some_and(|wanted| Some(wanted) == span(running))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    const CONFIGZ: &str = "GET /api/v1/nodes/w-1/proxy/configz";

    fn running(settings: &Value) -> Value {
        json!({ "kubeletconfig": settings })
    }

    #[tokio::test(start_paused = true)]
    async fn a_kubelet_that_just_started_is_awaited() {
        let api = FakeApi::new();
        let refusal =
            json!({ "kind": "Status", "status": "Failure", "code": 500, "message": "dial tcp", "reason": "" });
        let new = json!({ "maxPods": 200, "evictionHard": { "memory.available": "1Gi", "pid.available": "5%" },
            "shutdownGracePeriod": "1m0s", "registerNode": true });
        api.expect(CONFIGZ, 500, &refusal).expect(CONFIGZ, 200, &running(&new));
        let wanted =
            json!({ "maxPods": 200, "evictionHard": { "memory.available": "1Gi" }, "shutdownGracePeriod": "1m" });
        api.cluster().check_kubelet_configuration("w-1", &wanted, Duration::from_secs(9)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_kubelet_does_not_take_is_told() {
        let api = FakeApi::new();
        api.expect(CONFIGZ, 200, &running(&json!({ "maxPods": 50 })));
        let cluster = api.cluster();
        let wanted = json!({ "maxPods": 200 });
        let error = cluster.check_kubelet_configuration("w-1", &wanted, Duration::from_secs(9)).await.unwrap_err();
        assert_eq!(error.to_string(), "the kubelet of w-1 runs with `maxPods` 50");
    }

    fn node(status: &str, at: &str) -> Value {
        let ready = json!({ "type": "Ready", "status": status, "message": "PLEG", "lastHeartbeatTime": at });
        json!({ "metadata": { "name": "w-1" }, "status": { "conditions": [ready] } })
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_new_report_counts() {
        let api = FakeApi::new();
        api.expect("GET /api/v1/nodes/w-1", 200, &node("True", "2026-03-01T12:00:00Z")).expect_watch(
            "/api/v1/nodes",
            &[node("True", "2026-03-01T12:00:00Z")],
            &[node("False", "2026-03-01T12:00:05Z"), node("True", "2026-03-01T12:00:06Z")],
        );
        let cluster = api.cluster();
        let before = cluster.last_ready_report("w-1").await.unwrap().unwrap();
        cluster.await_ready_report("w-1", before, Duration::from_secs(9)).await.unwrap();
    }
}
