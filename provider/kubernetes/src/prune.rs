//! Deleting what an addon no longer has, or the whole addon.

use std::cmp::Reverse;

use kube::api::{DeleteParams, PropagationPolicy};
use kubeone_desired::ObjectRef;

use crate::{
    Cluster, ClusterError,
    apply::Wave,
    call::{PATIENCE, ask},
    inventory::{Inventory, config_map_name},
};

impl Cluster {
    /// Deletes an addon and its inventory. An addon that is not there is fine.
    pub async fn delete_addon(&self, addon: &str) -> Result<(), ClusterError> {
        let Some(inventory) = self.inventory(addon).await? else {
            return Ok(());
        };
        let inventory = Inventory { hash: String::new(), ..inventory };
        self.write_inventory(addon, &inventory).await?;
        let objects: Vec<ObjectRef> = inventory.objects.into_iter().map(|entry| entry.object).collect();
        self.delete_objects(&objects).await?;
        let name = config_map_name(addon);
        ask(format!("delete ConfigMap {name}"), PATIENCE, || async {
            gone_is_fine(self.inventories_api().delete(&name, &DeleteParams::default()).await)
        })
        .await
    }

    /// In the opposite order of applying: first what runs, then what it runs with.
    pub(crate) async fn delete_objects(&self, objects: &[ObjectRef]) -> Result<(), ClusterError> {
        self.learn_kinds(objects.iter()).await?;
        let mut objects: Vec<&ObjectRef> = objects.iter().collect();
        objects.sort_by_key(|object| Reverse(Wave::of(object)));
        for object in objects {
            // A kind that is not served any more took its objects with it.
            let Some(api) = self.api_of(object) else { continue };
            let how =
                DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
            ask(format!("delete {object}"), PATIENCE, || async { gone_is_fine(api.delete(&object.name, &how).await) })
                .await?;
        }
        Ok(())
    }
}

/// A deletion that finds nothing has nothing left to do.
pub(crate) fn gone_is_fine<T>(answer: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::FakeApi;

    const INVENTORY: &str = "/api/v1/namespaces/kube-system/configmaps/kubeone-addon-sample";

    #[tokio::test(start_paused = true)]
    async fn what_runs_is_deleted_first_and_the_inventory_last() {
        let objects = json!([
            { "apiVersion": "v1", "kind": "ServiceAccount", "namespace": "kube-system", "name": "agent" },
            { "apiVersion": "apps/v1", "kind": "DaemonSet", "namespace": "kube-system", "name": "agent" },
            { "apiVersion": "gone.example.com/v1", "kind": "Thing", "name": "one" },
        ]);
        let inventory = json!({ "metadata": {}, "data": { "hash": "x", "objects.json": objects.to_string() } });
        let api = FakeApi::new();
        api.expect(&format!("GET {INVENTORY}"), 200, &inventory)
            .expect_echo(&format!("PATCH {INVENTORY}"))
            .expect_discovery("v1", &[("ServiceAccount", "serviceaccounts", true)])
            .expect_discovery("apps/v1", &[("DaemonSet", "daemonsets", true)])
            .expect_missing("GET /apis/gone.example.com/v1")
            .expect(
                "DELETE /apis/apps/v1/namespaces/kube-system/daemonsets/agent",
                200,
                &json!({ "status": "Success" }),
            )
            .expect_missing("DELETE /api/v1/namespaces/kube-system/serviceaccounts/agent")
            .expect(
                "DELETE /api/v1/namespaces/kube-system/configmaps/kubeone-addon-sample",
                200,
                &json!({ "status": "Success" }),
            );
        api.cluster().delete_addon("sample").await.unwrap();
        let deletions = api.sent().into_iter().filter(|sent| sent.call.starts_with("DELETE"));
        let last_parts: Vec<String> =
            deletions.map(|sent| sent.call.rsplit('/').nth(1).unwrap_or_default().to_owned()).collect();
        assert_eq!(last_parts, ["daemonsets", "serviceaccounts", "configmaps"]);
    }

    #[tokio::test]
    async fn an_addon_that_is_not_there_is_fine() {
        let api = FakeApi::new();
        api.expect_missing(&format!("GET {INVENTORY}"));
        api.cluster().delete_addon("sample").await.unwrap();
    }
}
