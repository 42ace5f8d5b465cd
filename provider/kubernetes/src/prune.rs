//! Deleting what an addon no longer has, or the whole addon.

use std::cmp::Reverse;

use kube::api::{DeleteParams, PropagationPolicy};

use crate::{
    Cluster, ClusterError, ObjectRef,
    apply::Wave,
    call::ask,
    cluster::PATIENCE,
    inventory::{Inventory, config_map_name},
};

impl Cluster {
    /// Deletes an addon and its inventory. An addon that is not there is fine.
    pub async fn delete_addon(&self, addon: &str) -> Result<(), ClusterError> {
        let Some(inventory) = self.inventory(addon).await? else {
            return Ok(());
        };
        let Inventory { objects, .. } = inventory;
        self.write_inventory(addon, &Inventory { hash: String::new(), objects: objects.clone() }).await?;
        self.delete_objects(&objects).await?;
        let name = config_map_name(addon);
        ask(format!("delete ConfigMap {name}"), PATIENCE, async || {
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
            ask(format!("delete {object}"), PATIENCE, async || gone_is_fine(api.delete(&object.name, &how).await))
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
