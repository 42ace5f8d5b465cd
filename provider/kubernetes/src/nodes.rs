//! Verbs over nodes: wait, label, taint, cordon, delete.

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
const CONTROLLED_TAINTS: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

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
        ask(act, PATIENCE, async || self.nodes_api().patch(name, &how, &Patch::Apply(&node)).await).await?;
        Ok(())
    }

    /// Replaces all taints but those of Kubernetes' own controllers.
    pub async fn set_node_taints(&self, name: &str, taints: &[Taint]) -> Result<(), ClusterError> {
        ask(format!("taint Node {name}"), PATIENCE, async || {
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

    /// Keeps new pods away.
    pub async fn cordon_node(&self, name: &str) -> Result<(), ClusterError> {
        self.set_unschedulable(name, true).await
    }

    pub async fn uncordon_node(&self, name: &str) -> Result<(), ClusterError> {
        self.set_unschedulable(name, false).await
    }

    /// Deletes a node; one that is gone already is fine.
    pub async fn delete_node(&self, name: &str) -> Result<(), ClusterError> {
        ask(format!("delete Node {name}"), PATIENCE, async || {
            gone_is_fine(self.nodes_api().delete(name, &DeleteParams::default()).await)
        })
        .await
    }

    async fn set_unschedulable(&self, name: &str, unschedulable: bool) -> Result<(), ClusterError> {
        let verb = if unschedulable { "cordon" } else { "uncordon" };
        let patch = json!({ "spec": { "unschedulable": unschedulable } });
        ask(format!("{verb} Node {name}"), PATIENCE, async || {
            self.nodes_api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await
        })
        .await?;
        Ok(())
    }

    pub(crate) fn nodes_api(&self) -> Api<KubernetesNode> {
        Api::all(self.client.clone())
    }
}

fn look_for_ready(node: &KubernetesNode) -> Seen {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    match conditions.into_iter().find(|condition| condition.type_ == "Ready") {
        Some(ready) if ready.status == "True" => Seen::AsAwaited,
        Some(ready) => Seen::Otherwise(ready.message.clone().unwrap_or_else(|| "not ready".to_owned())),
        None => Seen::Otherwise("its kubelet has not reported yet".to_owned()),
    }
}
