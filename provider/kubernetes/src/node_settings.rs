//! What is ours on a node: labels, annotations and taints that we set, among those of others.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node as KubernetesNode, Taint as KubernetesTaint},
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::api::{Patch, PatchParams};
use kubeone_desired::MANAGER;
use kubeone_spec::Taint;
use serde_json::{Value, json};

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
};

/// Taints that Kubernetes' own controllers set and remove.
const CONTROLLED_TAINTS: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

/// On a node that we tainted: which taints are ours, separated by commas. The API keeps no owner for single taints.
const TAINTS: &str = "kubeone/taints";

/// What somebody set on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Only those that [`Cluster::set_node_metadata`] set, and nobody has changed since.
    pub labels: BTreeMap<String, String>,
    /// In the same way.
    pub annotations: BTreeMap<String, String>,
    /// All of them, without those of Kubernetes' own controllers.
    pub taints: Vec<Taint>,
    /// Those that [`Cluster::set_node_taints`] set; `None` where it never did.
    pub own_taints: Option<Vec<Taint>>,
}

impl Cluster {
    /// Sets labels and annotations. Those that an earlier call set and this one does not name are removed; what others set
    /// stays.
    pub async fn set_node_metadata(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), ClusterError> {
        let metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata });
        let how = PatchParams::apply(MANAGER).force();
        let act = format!("label Node {name}");
        ask(act, PATIENCE, || async { self.nodes_api().patch(name, &how, &Patch::Apply(&node)).await }).await?;
        Ok(())
    }

    /// Sets taints. Those that an earlier call set and this one does not name are removed; what others set stays. Where
    /// there was no earlier call, `earlier` stands for it.
    pub async fn set_node_taints(&self, name: &str, taints: &[Taint], earlier: &[Taint]) -> Result<(), ClusterError> {
        self.change_taints(name, |node| {
            let own = own_taints(node).unwrap_or_else(|| earlier.to_vec());
            let is_ours = |present: &KubernetesTaint| {
                let present = taint(present);
                let ours = own.iter().any(|own| Some(own) == present.as_ref());
                ours || taints.iter().any(|wanted| present.as_ref().is_some_and(|it| wanted.takes_the_place_of(it)))
            };
            let present = present_taints(node);
            let others = present.iter().filter(|it| !is_ours(it)).map(|taint| json!(taint));
            // One that is there already keeps the time at which it began to evict pods.
            let wanted = taints.iter().map(|wanted| {
                let same = present.iter().find(|present| taint(present).as_ref() == Some(wanted));
                same.map_or_else(|| json!(wanted), |present| json!(present))
            });
            (others.chain(wanted).collect(), taints.to_vec())
        })
        .await
    }

    /// Makes the taints of a node ours, as if [`Self::set_node_taints`] had set them.
    pub async fn own_node_taints(&self, name: &str) -> Result<(), ClusterError> {
        self.change_taints(name, |node| {
            let present = present_taints(node);
            let own = present.iter().filter(|it| !is_controlled(it)).filter_map(taint).collect();
            (present.iter().map(|taint| json!(taint)).collect(), own)
        })
        .await
    }

    /// Writes the taints of a node, and with them which of them are ours.
    async fn change_taints(
        &self,
        name: &str,
        change: impl Fn(&KubernetesNode) -> (Vec<Value>, Vec<Taint>),
    ) -> Result<(), ClusterError> {
        ask(format!("taint Node {name}"), PATIENCE, || async {
            let node = self.nodes_api().get(name).await?;
            let (taints, own) = change(&node);
            let own: Vec<_> = own.iter().map(ToString::to_string).collect();
            // The version makes the API refuse when a controller was faster.
            let version = node.metadata.resource_version;
            let patch = json!({
                "metadata": { "resourceVersion": version, "annotations": { TAINTS: own.join(",") } },
                "spec": { "taints": taints },
            });
            self.nodes_api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(once_more)
        })
        .await?;
        Ok(())
    }
}

/// Controllers taint a node again and again while it joins; whoever loses to one of them looks anew.
fn once_more(error: kube::Error) -> kube::Error {
    match error {
        kube::Error::Api(status) if status.is_conflict() => kube::Error::Service(status.into()),
        other => other,
    }
}

/// What is ours on this node.
pub(crate) fn settings(node: &KubernetesNode) -> NodeSettings {
    let fields = node.metadata.managed_fields.as_deref().unwrap_or_default();
    let ours = |kind: &str, all: &Option<BTreeMap<String, String>>| {
        let mut ours = all.clone().unwrap_or_default();
        ours.retain(|key, _| fields.iter().any(|entry| is_applied_by_us(entry, kind, key)));
        ours
    };
    NodeSettings {
        labels: ours("f:labels", &node.metadata.labels),
        annotations: ours("f:annotations", &node.metadata.annotations),
        taints: present_taints(node).iter().filter(|it| !is_controlled(it)).filter_map(taint).collect(),
        own_taints: own_taints(node),
    }
}

fn is_applied_by_us(entry: &ManagedFieldsEntry, kind: &str, key: &str) -> bool {
    entry.manager.as_deref() == Some(MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.fields_v1.as_ref().is_some_and(|fields| !fields.0["f:metadata"][kind][format!("f:{key}")].is_null())
}

fn own_taints(node: &KubernetesNode) -> Option<Vec<Taint>> {
    let text = node.metadata.annotations.as_ref()?.get(TAINTS)?;
    Some(text.split(',').filter_map(|taint| taint.parse().ok()).collect())
}

fn present_taints(node: &KubernetesNode) -> &[KubernetesTaint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

fn is_controlled(taint: &KubernetesTaint) -> bool {
    CONTROLLED_TAINTS.iter().any(|prefix| taint.key.starts_with(prefix))
}

fn taint(taint: &KubernetesTaint) -> Option<Taint> {
    let effect = taint.effect.as_str();
    format!("{}={}:{effect}", taint.key, taint.value.as_deref().unwrap_or_default()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeApi;

    const NODE: &str = "/api/v1/nodes/w-1";

    fn taints(texts: &[&str]) -> Vec<Taint> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn node(present: &Value, annotations: &Value) -> Value {
        json!({
            "metadata": { "name": "w-1", "resourceVersion": "7", "annotations": annotations },
            "spec": { "taints": present },
        })
    }

    #[test]
    fn only_what_we_set_is_ours() {
        let node = json!({
            "metadata": {
                "name": "w-1", "labels": { "zone": "a", "kubernetes.io/os": "linux", "tier": "web" },
                "annotations": { "note": "x", "other": "y", "kubeone/taints": "dedicated:NoExecute,gone=1:NoSchedule" },
                "managedFields": [
                    { "manager": "kubelet", "operation": "Update", "fieldsV1": { "f:metadata": { "f:labels": { "f:kubernetes.io/os": {} } } } },
                    { "manager": "kubeone", "operation": "Update", "fieldsV1": { "f:metadata": { "f:labels": { "f:tier": {} } } } },
                    { "manager": "kubeone", "operation": "Apply", "fieldsV1": { "f:metadata": {
                        "f:labels": { "f:zone": {} }, "f:annotations": { "f:note": {} },
                    } } },
                ],
            },
            "spec": { "taints": [
                { "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" },
                { "key": "dedicated", "value": "", "effect": "NoExecute" },
                { "key": "of-others", "effect": "NoSchedule" },
            ] },
        });
        let settings = settings(&serde_json::from_value(node).unwrap());
        assert_eq!(settings.labels, [("zone".to_owned(), "a".to_owned())].into());
        assert_eq!(settings.annotations, [("note".to_owned(), "x".to_owned())].into());
        assert_eq!(settings.taints, taints(&["dedicated:NoExecute", "of-others:NoSchedule"]));
        assert_eq!(settings.own_taints, Some(taints(&["dedicated:NoExecute", "gone=1:NoSchedule"])));
    }

    #[tokio::test]
    async fn labels_and_annotations_are_applied_together() {
        let api = FakeApi::new();
        api.expect_echo(&format!("PATCH {NODE}"));
        let labels = [("zone".to_owned(), "a".to_owned())].into();
        api.cluster().set_node_metadata("w-1", &labels, &BTreeMap::new()).await.unwrap();
        let sent = &api.sent()[0];
        assert_eq!(sent.body["metadata"], json!({ "name": "w-1", "labels": { "zone": "a" }, "annotations": {} }));
        assert!(sent.query.contains("force=true") && sent.query.contains("fieldManager=kubeone"));
    }

    #[tokio::test]
    async fn taints_of_others_stay() {
        let present = json!([
            { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" },
            { "key": "old", "effect": "NoSchedule" },
            { "key": "of-others", "effect": "NoSchedule" },
            { "key": "stays", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z" },
            { "key": "changes", "value": "before", "effect": "NoSchedule" },
        ]);
        let before = node(&present, &json!({ "kubeone/taints": "old:NoSchedule,stays:NoExecute" }));
        let api = FakeApi::new();
        api.expect(&format!("GET {NODE}"), 200, &before).expect(&format!("PATCH {NODE}"), 200, &before);
        let wanted = taints(&["stays:NoExecute", "changes=now:NoSchedule"]);
        api.cluster().set_node_taints("w-1", &wanted, &[]).await.unwrap();
        let patch = &api.sent()[1].body;
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["metadata"]["annotations"]["kubeone/taints"], "stays:NoExecute,changes=now:NoSchedule");
        assert_eq!(
            patch["spec"]["taints"],
            json!([
                { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" },
                { "key": "of-others", "effect": "NoSchedule" },
                { "key": "stays", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z" },
                { "key": "changes", "value": "now", "effect": "NoSchedule" },
            ])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_faster_controller_is_no_failure() {
        let before = node(&json!([]), &json!({}));
        let conflict =
            json!({ "kind": "Status", "status": "Failure", "code": 409, "message": "", "reason": "Conflict" });
        let api = FakeApi::new();
        for (status, answer) in [(409, &conflict), (200, &before)] {
            api.expect(&format!("GET {NODE}"), 200, &before).expect(&format!("PATCH {NODE}"), status, answer);
        }
        api.cluster().set_node_taints("w-1", &taints(&["a:NoSchedule"]), &[]).await.unwrap();
    }

    #[tokio::test]
    async fn without_an_earlier_call_those_of_kubeadm_are_ours() {
        let present = json!([{ "key": "kubeadm", "effect": "NoSchedule" }, { "key": "x", "effect": "NoSchedule" }]);
        let before = node(&present, &json!({}));
        let api = FakeApi::new();
        api.expect(&format!("GET {NODE}"), 200, &before).expect(&format!("PATCH {NODE}"), 200, &before);
        api.cluster().set_node_taints("w-1", &[], &taints(&["kubeadm:NoSchedule"])).await.unwrap();
        let patch = &api.sent()[1].body;
        assert_eq!(patch["spec"]["taints"], json!([{ "key": "x", "effect": "NoSchedule" }]));
        assert_eq!(patch["metadata"]["annotations"]["kubeone/taints"], "");
    }

    #[tokio::test]
    async fn taints_that_are_there_become_ours() {
        let present = json!([
            { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" },
            { "key": "dedicated", "value": "db", "effect": "NoSchedule" },
        ]);
        let before = node(&present, &json!({}));
        let api = FakeApi::new();
        api.expect(&format!("GET {NODE}"), 200, &before).expect(&format!("PATCH {NODE}"), 200, &before);
        api.cluster().own_node_taints("w-1").await.unwrap();
        let patch = &api.sent()[1].body;
        assert_eq!(patch["metadata"]["annotations"]["kubeone/taints"], "dedicated=db:NoSchedule");
        assert_eq!(patch["spec"]["taints"], present);
    }
}
