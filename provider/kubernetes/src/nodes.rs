//! Verbs over nodes: wait, label, taint, delete.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Node as KubernetesNode;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
    runtime::watcher,
};
use kubeone_spec::Taint;
use serde_json::json;

use crate::{
    Cluster, ClusterError,
    call::ask,
    cluster::{MANAGER, PATIENCE},
    prune::gone_is_fine,
    wait::{Seen, await_each},
};

/// Taints that Kubernetes' own controllers set and remove.
pub(crate) const CONTROLLED_TAINTS: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

impl Cluster {
    /// Waits until all these nodes are Ready.
    pub async fn await_nodes_ready(&self, names: &[String], deadline: Duration) -> Result<(), ClusterError> {
        let what = format!("{} nodes Ready", names.len());
        let scope = watcher::Config::default();
        await_each(self.nodes_api(), scope, names.iter().cloned(), &what, deadline, look_for_ready).await
    }

    /// Sets labels. Labels that an earlier call set and this one does not name are removed; other labels stay.
    pub async fn set_node_labels(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<(), ClusterError> {
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } });
        let how = PatchParams::apply(MANAGER).force();
        let act = format!("label Node {name}");
        ask(act, PATIENCE, || async { self.nodes_api().patch(name, &how, &Patch::Apply(&node)).await }).await?;
        Ok(())
    }

    /// Replaces all taints but those of Kubernetes' own controllers.
    pub async fn set_node_taints(&self, name: &str, taints: &[Taint]) -> Result<(), ClusterError> {
        ask(format!("taint Node {name}"), PATIENCE, || async {
            let node = self.nodes_api().get(name).await?;
            let version = node.metadata.resource_version;
            let present = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
            let controlled = present
                .iter()
                .filter(|taint| CONTROLLED_TAINTS.iter().any(|prefix| taint.key.starts_with(prefix)))
                .map(|taint| json!(taint));
            let wanted = taints.iter().map(|taint| json!(taint));
            // The version makes the API refuse when a controller was faster.
            let patch = json!({
                "metadata": { "resourceVersion": version },
                "spec": { "taints": controlled.chain(wanted).collect::<Vec<_>>() },
            });
            self.nodes_api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await
        })
        .await?;
        Ok(())
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
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    match conditions.into_iter().find(|condition| condition.type_ == "Ready") {
        Some(ready) if ready.status == "True" => Seen::AsAwaited,
        Some(ready) => Seen::Otherwise(ready.message.clone().unwrap_or_else(|| "not ready".to_owned())),
        None => Seen::Otherwise("its kubelet has not reported yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    #[tokio::test]
    async fn taints_of_controllers_stay() {
        let api = FakeApi::new();
        let present = json!([
            { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }, { "key": "old", "effect": "NoSchedule" },
        ]);
        let before = json!({ "metadata": { "name": "w-1", "resourceVersion": "7" }, "spec": { "taints": present } });
        api.expect(&format!("GET {NODES}/w-1"), 200, &before).expect(&format!("PATCH {NODES}/w-1"), 200, &before);
        let taint = Taint { key: "new".to_owned(), value: None, effect: kubeone_spec::TaintEffect::NoExecute };
        api.cluster().set_node_taints("w-1", &[taint]).await.unwrap();
        let patch = &api.sent()[1].body;
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["spec"]["taints"][0]["key"], "node.kubernetes.io/not-ready");
        assert_eq!(patch["spec"]["taints"][1], json!({ "key": "new", "effect": "NoExecute" }));
        assert_eq!(patch["spec"]["taints"].as_array().unwrap().len(), 2);
    }
}
