//! Which path of the API belongs to a kind, asked once for each group and version.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::try_join_all;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::{GroupVersion, GroupVersionKind},
    discovery::{Scope, pinned_group},
};
use kubeone_desired::ObjectRef;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
};

/// What is known of the kinds that the API serves.
#[derive(Default)]
pub(crate) struct Kinds(Mutex<HashMap<GroupVersionKind, (ApiResource, Scope)>>);

impl Kinds {
    fn lock(&self) -> MutexGuard<'_, HashMap<GroupVersionKind, (ApiResource, Scope)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// Learns the kinds of these objects, so far as the cluster serves them and they are not known yet.
    pub(crate) async fn learn_kinds(&self, objects: impl Iterator<Item = &ObjectRef>) -> Result<(), ClusterError> {
        let unknown: BTreeSet<String> = {
            let known = self.kinds.lock();
            objects
                .filter(|object| !known.contains_key(&group_version_kind(object)))
                .map(|object| object.api_version.clone())
                .collect()
        };
        try_join_all(unknown.iter().map(|api_version| self.learn_group(api_version))).await.map(drop)
    }

    async fn learn_group(&self, api_version: &str) -> Result<(), ClusterError> {
        let act = format!("discover the kinds of {api_version}");
        let group: GroupVersion = api_version.parse().map_err(|_| ClusterError::Answer {
            act: act.clone(),
            reason: "it is not a group and version".to_owned(),
        })?;
        let served = ask(act, PATIENCE, || async {
            match pinned_group(&self.client, &group).await {
                Ok(served) => Ok(Some(served)),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await?;
        let resources = served.map(|served| served.versioned_resources(&group.version)).unwrap_or_default();
        self.kinds.lock().extend(resources.into_iter().map(|(resource, capabilities)| {
            let kind = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
            (kind, (resource, capabilities.scope))
        }));
        Ok(())
    }

    /// The API of the object's kind and namespace; `None` when the cluster does not serve the kind.
    pub(crate) fn api_of(&self, object: &ObjectRef) -> Option<Api<DynamicObject>> {
        let (resource, scope) = self.kinds.lock().get(&group_version_kind(object))?.clone();
        let client = self.client.clone();
        Some(match (scope, &object.namespace) {
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client, namespace, &resource),
            (Scope::Namespaced, None) => Api::default_namespaced_with(client, &resource),
            (Scope::Cluster, _) => Api::all_with(client, &resource),
        })
    }
}

fn group_version_kind(object: &ObjectRef) -> GroupVersionKind {
    let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
    GroupVersionKind::gvk(group, version, &object.kind)
}
