//! Verbs over nodes: wait, delete.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node as KubernetesNode, NodeCondition};
use kube::{Api, api::DeleteParams, runtime::watcher};

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    prune::gone_is_fine,
    wait::{Seen, await_each},
};

impl Cluster {
    /// Waits until all these nodes are Ready.
    pub async fn await_nodes_ready(&self, names: &[String], deadline: Duration) -> Result<(), ClusterError> {
        let what = format!("{} nodes Ready", names.len());
        let scope = watcher::Config::default();
        await_each(self.nodes_api(), scope, names.iter().cloned(), &what, deadline, look_for_ready).await
    }

    /// Deletes a node; one that is gone already is fine.
    pub async fn delete_node(&self, name: &str) -> Result<(), ClusterError> {
        ask(format!("delete Node {name}"), PATIENCE, || async {
            gone_is_fine(self.nodes_api().delete(name, &DeleteParams::default()).await)
        })
        .await
    }

    pub(crate) fn nodes_api(&self) -> Api<KubernetesNode> {
        Api::all(self.client.clone())
    }
}

pub(crate) fn look_for_ready(node: &KubernetesNode) -> Seen {
    match ready_condition(node) {
        Some(ready) if ready.status == "True" => Seen::AsAwaited,
        Some(ready) => Seen::Otherwise(ready.message.clone().unwrap_or_else(|| "not ready".to_owned())),
        None => Seen::Otherwise("its kubelet has not reported yet".to_owned()),
    }
}

pub(crate) fn ready_condition(node: &KubernetesNode) -> Option<&NodeCondition> {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_ == "Ready")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::FakeApi;

    const NODES: &str = "/api/v1/nodes";

    fn node(name: &str, ready: &str) -> Value {
        let condition = json!({ "type": "Ready", "status": ready, "message": "container runtime network not ready" });
        json!({ "metadata": { "name": name }, "status": { "conditions": [condition] } })
    }

    fn names(names: [&str; 2]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_are_awaited_together() {
        let api = FakeApi::new();
        let changed = [node("cp-1", "False"), node("w-1", "True"), node("other", "False"), node("cp-1", "True")];
        api.expect_watch(NODES, &[node("cp-1", "True")], &changed);
        api.cluster().await_nodes_ready(&names(["cp-1", "w-1"]), Duration::from_mins(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_node_is_named_with_its_reason() {
        let api = FakeApi::new();
        api.expect_watch(NODES, &[node("cp-1", "False")], &[]);
        let error = api.cluster().await_nodes_ready(&names(["cp-1", "w-1"]), Duration::from_secs(9)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "see 2 nodes Ready within 9s; last seen: cp-1: container runtime network not ready; w-1: does not exist"
        );
    }
}
