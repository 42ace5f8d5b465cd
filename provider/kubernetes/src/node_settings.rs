//! How a running cluster was set up, as far as it says so itself: for an import, which has no other source.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{Node as KubernetesNode, Taint as KubernetesTaint},
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::api::ListParams;
use kubeone_spec::{Taint, TaintEffect};

use crate::{Cluster, ClusterError, call::ask, cluster::MANAGER, nodes::CONTROLLED_TAINTS};

/// What somebody set on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Without those of Kubernetes' own controllers.
    pub taints: Vec<Taint>,
    /// Only those that [`Cluster::set_node_labels`] set.
    pub labels: BTreeMap<String, String>,
}

impl Cluster {
    pub async fn node_settings(&self, patience: Duration) -> Result<BTreeMap<String, NodeSettings>, ClusterError> {
        let all = ListParams::default();
        let nodes = ask("list nodes", patience, || async { self.nodes_api().list(&all).await }).await?;
        let settings = |node: KubernetesNode| (node.metadata.name.clone().unwrap_or_default(), settings(node));
        Ok(nodes.items.into_iter().map(settings).collect())
    }
}

fn settings(node: KubernetesNode) -> NodeSettings {
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let fields = node.metadata.managed_fields.unwrap_or_default();
    let mut labels = node.metadata.labels.unwrap_or_default();
    labels.retain(|label, _| fields.iter().any(|entry| is_our_label(entry, label)));
    NodeSettings { taints: taints.into_iter().filter_map(taint).collect(), labels }
}

fn is_our_label(entry: &ManagedFieldsEntry, label: &str) -> bool {
    entry.manager.as_deref() == Some(MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry
            .fields_v1
            .as_ref()
            .is_some_and(|fields| !fields.0["f:metadata"]["f:labels"][format!("f:{label}")].is_null())
}

fn taint(taint: KubernetesTaint) -> Option<Taint> {
    if CONTROLLED_TAINTS.iter().any(|prefix| taint.key.starts_with(prefix)) {
        return None;
    }
    let effect = match taint.effect.as_str() {
        "NoSchedule" => TaintEffect::NoSchedule,
        "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        _ => return None,
    };
    Some(Taint { key: taint.key, value: taint.value.filter(|value| !value.is_empty()), effect })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn only_what_somebody_set_is_read() {
        let node = json!({
            "metadata": {
                "name": "w-1", "labels": { "zone": "a", "kubernetes.io/os": "linux", "tier": "web" },
                "managedFields": [
                    { "manager": "kubelet", "operation": "Update", "fieldsV1": { "f:metadata": { "f:labels": { "f:kubernetes.io/os": {} } } } },
                    { "manager": "kubeone", "operation": "Apply", "fieldsV1": { "f:metadata": { "f:labels": { "f:zone": {} } } } },
                ],
            },
            "spec": { "taints": [
                { "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" },
                { "key": "dedicated", "value": "", "effect": "NoExecute" },
            ] },
        });
        let api = FakeApi::new();
        api.expect("GET /api/v1/nodes", 200, &json!({ "metadata": {}, "items": [node] }));
        let settings = &api.cluster().node_settings(PATIENCE).await.unwrap()["w-1"];
        assert_eq!(settings.labels, [("zone".to_owned(), "a".to_owned())].into());
        assert_eq!(
            settings.taints,
            [Taint { key: "dedicated".to_owned(), value: None, effect: TaintEffect::NoExecute }]
        );
    }
}
