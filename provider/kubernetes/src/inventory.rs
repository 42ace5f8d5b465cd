//! What an addon consists of in the cluster: a ConfigMap that lists its objects and says whether all were applied.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, ObjectMeta, Patch, PatchParams},
};
use kubeone_desired::{MANAGED_BY_LABEL, MANAGER, ObjectRef};
use serde::{Deserialize, Serialize};

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    cluster::SYSTEM_NAMESPACE,
};

/// What the cluster remembers of an addon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Hash of the rendered objects; empty while they are being applied, so an interrupted run is seen.
    pub(crate) hash: String,
    /// Never fewer than there are in the cluster.
    pub(crate) objects: Vec<Entry>,
}

/// One object of an addon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) object: ObjectRef,
    /// Hash of the names of its fields that were ours when it was applied; `None` until then, and where others may take them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<String>,
}

impl From<ObjectRef> for Entry {
    fn from(object: ObjectRef) -> Self {
        Self { object, fields: None }
    }
}

impl Cluster {
    pub(crate) async fn inventory(&self, addon: &str) -> Result<Option<Inventory>, ClusterError> {
        let name = config_map_name(addon);
        let act = format!("read ConfigMap {SYSTEM_NAMESPACE}/{name}");
        let found = ask(&act, PATIENCE, || async { self.inventories_api().get_opt(&name).await }).await?;
        found.map(|found| decode(&act, found)).transpose()
    }

    /// Inventories of all addons, by name.
    pub(crate) async fn inventories(&self, patience: Duration) -> Result<BTreeMap<String, Inventory>, ClusterError> {
        let act = "list the inventories of addons";
        let wanted =
            ListParams::default().labels(&format!("{COMPONENT_LABEL}={COMPONENT},{MANAGED_BY_LABEL}={MANAGER}"));
        let found = ask(act, patience, || async { self.inventories_api().list(&wanted).await }).await?;
        found
            .items
            .into_iter()
            .filter_map(|map| Some((map.metadata.name.as_deref()?.strip_prefix(NAME_PREFIX)?.to_owned(), map)))
            .map(|(addon, map)| Ok((addon, decode(act, map)?)))
            .collect()
    }

    pub(crate) async fn write_inventory(&self, addon: &str, inventory: &Inventory) -> Result<(), ClusterError> {
        let name = config_map_name(addon);
        let act = format!("write ConfigMap {SYSTEM_NAMESPACE}/{name}");
        let objects = serde_json::to_string_pretty(&inventory.objects)
            .map_err(|error| ClusterError::Answer { act: act.clone(), reason: error.to_string() })?;
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(BTreeMap::from([
                    (MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned()),
                    (COMPONENT_LABEL.to_owned(), COMPONENT.to_owned()),
                ])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([
                (HASH_KEY.to_owned(), inventory.hash.clone()),
                (OBJECTS_KEY.to_owned(), objects),
            ])),
            ..ConfigMap::default()
        };
        let how = PatchParams::apply(MANAGER).force();
        ask(act, PATIENCE, || async { self.inventories_api().patch(&name, &how, &Patch::Apply(&map)).await }).await?;
        Ok(())
    }

    pub(crate) fn inventories_api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }
}

const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
const COMPONENT: &str = "addon-inventory";
const NAME_PREFIX: &str = "kubeone-addon-";
const HASH_KEY: &str = "hash";
const OBJECTS_KEY: &str = "objects.json";

pub(crate) fn config_map_name(addon: &str) -> String {
    format!("{NAME_PREFIX}{addon}")
}

fn decode(act: &str, map: ConfigMap) -> Result<Inventory, ClusterError> {
    let mut data = map.data.unwrap_or_default();
    let objects = data.remove(OBJECTS_KEY).unwrap_or_else(|| "[]".to_owned());
    let objects = serde_json::from_str(&objects)
        .map_err(|error| ClusterError::Answer { act: act.to_owned(), reason: format!("{OBJECTS_KEY}: {error}") })?;
    Ok(Inventory { hash: data.remove(HASH_KEY).unwrap_or_default(), objects })
}
