//! What others did to the objects of an addon: deleted them, or took fields of ours.
//!
//! The API server keeps the names of the fields that each manager set. Whoever changes or removes one of ours takes it out
//! of our list, so a list that is no longer the same says that the object was edited, without its content being read or
//! compared. What others add beside it stays theirs.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::ObjectMeta;
use kubeone_desired::MANAGER;
use sha2::{Digest, Sha256};

use crate::{
    Cluster, ClusterError,
    call::{AT_ONCE, ask},
    inventory::{Entry, Inventory},
};

impl Cluster {
    /// In words for the plan, one for each object that is no longer as it was applied.
    pub(crate) async fn drift(&self, inventory: &Inventory, patience: Duration) -> Result<Vec<String>, ClusterError> {
        self.learn_kinds(inventory.objects.iter().map(|entry| &entry.object)).await?;
        let mut drift = Vec::new();
        for some in inventory.objects.chunks(AT_ONCE) {
            let seen = try_join_all(some.iter().map(|entry| self.drift_of(entry, patience))).await?;
            drift.extend(seen.into_iter().flatten());
        }
        Ok(drift)
    }

    async fn drift_of(&self, entry: &Entry, patience: Duration) -> Result<Option<String>, ClusterError> {
        let object = &entry.object;
        // A kind that is not served any more took its objects with it.
        let found = match self.api_of(object) {
            Some(api) => {
                let act = format!("look for {object}");
                ask(act, patience, || async { api.get_metadata_opt(&object.name).await }).await?
            }
            None => None,
        };
        Ok(match found {
            None => Some(format!("{object} is gone")),
            // What was its own is not written down where its own programs change it.
            Some(found) if entry.fields.is_some() && our_fields(&found.metadata) != entry.fields => {
                Some(format!("{object} was edited"))
            }
            Some(_) => None,
        })
    }
}

/// Hash of the names of the fields that are ours.
pub(crate) fn our_fields(metadata: &ObjectMeta) -> Option<String> {
    let is_ours = |entry: &&ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    let mut fields = metadata.managed_fields.iter().flatten().find(is_ours)?.fields_v1.clone()?.0;
    // The names are a set, and another API server may write it in another order.
    fields.sort_all_objects();
    Some(hex::encode(Sha256::digest(fields.to_string())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use kubeone_desired::ObjectRef;

    use crate::FakeApi;

    const CONFIG: &str = "GET /api/v1/namespaces/sample/configmaps/config";

    fn managed(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({ "manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields })
    }

    fn found(managed: &[Value]) -> Value {
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": { "name": "config", "managedFields": managed },
        })
    }

    fn ours() -> Value {
        managed(MANAGER, "Apply", &json!({ "f:data": { "f:mtu": {}, "f:port": {} } }))
    }

    /// What is seen of an object that was applied when it was `before`, and is `now`.
    async fn seen(before: Option<&Value>, now: Option<&Value>) -> Vec<String> {
        let api = FakeApi::new();
        api.expect_discovery("v1", &[("ConfigMap", "configmaps", true)]);
        match now {
            Some(now) => api.expect(CONFIG, 200, now),
            None => api.expect_missing(CONFIG),
        };
        let metadata = |object: &Value| serde_json::from_value::<ObjectMeta>(object["metadata"].clone()).unwrap();
        let object = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some("sample".to_owned()),
            name: "config".to_owned(),
        };
        let fields = before.map(|before| our_fields(&metadata(before)).unwrap());
        let inventory = Inventory { hash: "x".to_owned(), objects: vec![Entry { object, fields }] };
        api.cluster().drift(&inventory, Duration::from_secs(1)).await.unwrap()
    }

    #[tokio::test]
    async fn an_object_that_nobody_touched_is_as_it_was() {
        assert_eq!(seen(Some(&found(&[ours()])), Some(&found(&[ours()]))).await, [""; 0]);
    }

    #[tokio::test]
    async fn what_others_add_is_theirs() {
        let others = managed("kubectl-edit", "Update", &json!({ "f:metadata": { "f:annotations": {} } }));
        assert_eq!(seen(Some(&found(&[ours()])), Some(&found(&[others, ours()]))).await, [""; 0]);
    }

    #[tokio::test]
    async fn who_changes_a_field_of_ours_takes_it() {
        let left = managed(MANAGER, "Apply", &json!({ "f:data": { "f:port": {} } }));
        let taken = managed("kubectl-edit", "Update", &json!({ "f:data": { "f:mtu": {} } }));
        let now = found(&[taken, left]);
        assert_eq!(seen(Some(&found(&[ours()])), Some(&now)).await, ["ConfigMap sample/config was edited"]);
    }

    #[tokio::test]
    async fn an_object_made_anew_by_somebody_else_was_edited() {
        let now = found(&[managed("helm", "Update", &json!({ "f:data": { "f:mtu": {}, "f:port": {} } }))]);
        assert_eq!(seen(Some(&found(&[ours()])), Some(&now)).await, ["ConfigMap sample/config was edited"]);
    }

    #[tokio::test]
    async fn an_object_that_was_deleted_is_gone() {
        assert_eq!(seen(Some(&found(&[ours()])), None).await, ["ConfigMap sample/config is gone"]);
    }

    #[tokio::test]
    async fn without_a_record_only_a_deleted_object_is_seen() {
        assert_eq!(seen(None, Some(&found(&[]))).await, [""; 0]);
        assert_eq!(seen(None, None).await, ["ConfigMap sample/config is gone"]);
    }
}
