//! Applying an addon: server-side, in the order that objects need each other, side by side within one wave.

use futures::future::try_join_all;
use kube::api::{Patch, PatchParams};
use kubeone_desired::{MANAGER, ObjectRef, Rendered};
use serde_json::Value;

use crate::{
    Cluster, ClusterError,
    call::{AT_ONCE, PATIENCE, ask},
    drift::our_fields,
    inventory::{Entry, Inventory},
};

impl Cluster {
    /// Makes the cluster hold exactly these objects of the addon: applies them and deletes what it no longer has. Does
    /// not wait until they run. Safe to repeat after an interruption at any point. Returns what was deleted.
    pub async fn apply_addon(&self, rendered: &Rendered) -> Result<Vec<ObjectRef>, ClusterError> {
        let objects: Vec<ObjectRef> = rendered.objects.iter().map(ObjectRef::from).collect();
        let before = self.inventory(rendered.addon).await?.unwrap_or_default();
        let before = before.objects.into_iter().map(|entry| entry.object);
        let leftover: Vec<ObjectRef> = before.filter(|object| !objects.contains(object)).collect();

        let all = objects.iter().chain(&leftover).cloned().map(Entry::from).collect();
        self.write_inventory(rendered.addon, &Inventory { hash: String::new(), objects: all }).await?;
        let mut objects = self.apply_objects(&rendered.objects).await?;
        for entry in &mut objects {
            // From now on its fields say nothing.
            entry.fields =
                entry.fields.take().filter(|_| !rendered.changed_by_itself.contains(&entry.object.to_string()));
        }
        self.delete_objects(&leftover).await?;
        self.write_inventory(rendered.addon, &Inventory { hash: rendered.hash.clone(), objects }).await?;
        Ok(leftover)
    }

    async fn apply_objects(&self, objects: &[Value]) -> Result<Vec<Entry>, ClusterError> {
        let mut applied = Vec::new();
        for wave in Wave::ALL {
            let members: Vec<(ObjectRef, &Value)> = objects
                .iter()
                .map(|object| (ObjectRef::from(object), object))
                .filter(|(reference, _)| Wave::of(reference) == wave)
                .collect();
            self.learn_kinds(members.iter().map(|(reference, _)| reference)).await?;
            for some in members.chunks(AT_ONCE) {
                let calls = some.iter().map(|(reference, object)| self.apply_object(reference, object));
                applied.extend(try_join_all(calls).await?);
            }
            if wave == Wave::Definitions {
                let definitions = members.iter().filter(|(reference, _)| reference.kind == DEFINITION);
                let names: Vec<_> = definitions.map(|(reference, _)| reference.name.clone()).collect();
                self.await_established(&names).await?;
            }
        }
        Ok(applied)
    }

    async fn apply_object(&self, reference: &ObjectRef, object: &Value) -> Result<Entry, ClusterError> {
        let act = format!("apply {reference}");
        let Some(api) = self.api_of(reference) else {
            let reason = format!("the cluster does not serve {} of {}", reference.kind, reference.api_version);
            return Err(ClusterError::Answer { act, reason });
        };
        let how = PatchParams::apply(MANAGER).force();
        let applied =
            ask(act, PATIENCE, || async { api.patch(&reference.name, &how, &Patch::Apply(object)).await }).await?;
        Ok(Entry { object: reference.clone(), fields: our_fields(&applied.metadata) })
    }
}

const DEFINITION: &str = "CustomResourceDefinition";

/// Objects of a wave need those of earlier waves only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wave {
    Namespaces,
    /// New kinds, and what pods refer to: accounts, rights, configuration.
    Definitions,
    /// Pods, objects of the new kinds, and webhooks that would stand in the way of everything before.
    Everything,
}

impl Wave {
    const ALL: [Self; 3] = [Self::Namespaces, Self::Definitions, Self::Everything];

    pub(crate) fn of(object: &ObjectRef) -> Self {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, object.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("", "Pod" | "ReplicationController") => Self::Everything,
            (
                ""
                | "rbac.authorization.k8s.io"
                | "apiextensions.k8s.io"
                | "scheduling.k8s.io"
                | "storage.k8s.io"
                | "node.k8s.io",
                _,
            ) => Self::Definitions,
            _ => Self::Everything,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    const INVENTORY: &str = "/api/v1/namespaces/kube-system/configmaps/kubeone-addon-sample";
    const CONFIG: &str = "/api/v1/namespaces/sample/configmaps/config";
    const THING: &str = "/apis/example.com/v1/things/one";
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Value {
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": namespace } })
    }

    fn sample(objects: Vec<Value>) -> Rendered {
        Rendered { addon: "sample", objects, changed_by_itself: Vec::new(), hash: "new".to_owned() }
    }

    fn inventory(hash: &str, objects: &Value) -> Value {
        json!({ "metadata": { "name": "kubeone-addon-sample" }, "data": { "hash": hash, "objects.json": objects.to_string() } })
    }

    fn calls(api: &FakeApi) -> Vec<String> {
        api.sent().into_iter().map(|sent| sent.call).collect()
    }

    /// Hash and number of objects of each inventory that was written.
    fn written_inventories(api: &FakeApi) -> Vec<(String, usize)> {
        let writes = api.sent().into_iter().filter(|sent| sent.call == format!("PATCH {INVENTORY}"));
        writes
            .map(|sent| {
                let objects: Vec<ObjectRef> =
                    serde_json::from_str(sent.body["data"]["objects.json"].as_str().unwrap()).unwrap();
                (sent.body["data"]["hash"].as_str().unwrap().to_owned(), objects.len())
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn objects_come_in_waves_and_kinds_before_their_objects() {
        let established = json!({
            "metadata": { "name": "things.example.com" }, "spec": { "group": "example.com", "scope": "Cluster",
            "names": { "kind": "Thing", "plural": "things" }, "versions": [] },
            "status": { "conditions": [{ "type": "Established", "status": "True" }] },
        });
        let api = FakeApi::new();
        api.expect_missing(&format!("GET {INVENTORY}"))
            .expect_echo(&format!("PATCH {INVENTORY}"))
            .expect_discovery("v1", &[("Namespace", "namespaces", false), ("ConfigMap", "configmaps", true)])
            .expect_echo("PATCH /api/v1/namespaces/sample")
            .expect_discovery(
                "apiextensions.k8s.io/v1",
                &[("CustomResourceDefinition", "customresourcedefinitions", false)],
            )
            .expect_echo(&format!("PATCH {DEFINITIONS}/things.example.com"))
            .expect_echo(&format!("PATCH {CONFIG}"))
            .expect_watch(DEFINITIONS, &[], &[established])
            .expect_discovery("example.com/v1", &[("Thing", "things", false)])
            .expect_echo(&format!("PATCH {THING}"))
            .expect_echo(&format!("PATCH {INVENTORY}"));
        let rendered = sample(vec![
            object("example.com/v1", "Thing", None, "one"),
            object("v1", "ConfigMap", Some("sample"), "config"),
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "things.example.com"),
            object("v1", "Namespace", None, "sample"),
        ]);
        assert_eq!(api.cluster().apply_addon(&rendered).await.unwrap(), []);

        let calls = calls(&api);
        let position = |call: &str| calls.iter().position(|sent| sent == call).unwrap();
        assert!(position("PATCH /api/v1/namespaces/sample") < position(&format!("PATCH {CONFIG}")));
        assert!(position(&format!("WATCH {DEFINITIONS}")) < position(&format!("PATCH {THING}")));
        assert_eq!(written_inventories(&api), [(String::new(), 4), ("new".to_owned(), 4)]);
        let applied = api.sent().into_iter().find(|sent| sent.call == format!("PATCH {THING}")).unwrap();
        assert!(applied.query.contains("force=true") && applied.query.contains("fieldManager=kubeone"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_longer_rendered_is_deleted() {
        let old = json!([
            { "apiVersion": "v1", "kind": "ConfigMap", "namespace": "sample", "name": "config" },
            { "apiVersion": "v1", "kind": "ConfigMap", "namespace": "sample", "name": "old" },
        ]);
        let api = FakeApi::new();
        api.expect(&format!("GET {INVENTORY}"), 200, &inventory("old", &old))
            .expect_echo(&format!("PATCH {INVENTORY}"))
            .expect_discovery("v1", &[("ConfigMap", "configmaps", true)])
            .expect_echo(&format!("PATCH {CONFIG}"))
            .expect_missing("DELETE /api/v1/namespaces/sample/configmaps/old")
            .expect_echo(&format!("PATCH {INVENTORY}"));
        let rendered = sample(vec![object("v1", "ConfigMap", Some("sample"), "config")]);
        let pruned = api.cluster().apply_addon(&rendered).await.unwrap();
        assert_eq!(pruned[0].to_string(), "ConfigMap sample/old");
        assert_eq!(written_inventories(&api), [(String::new(), 2), ("new".to_owned(), 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_apply_is_seen_later() {
        let api = FakeApi::new();
        api.expect_missing(&format!("GET {INVENTORY}"))
            .expect_echo(&format!("PATCH {INVENTORY}"))
            .expect_discovery("v1", &[("ConfigMap", "configmaps", true)])
            .expect(
                &format!("PATCH {CONFIG}"),
                422,
                &json!({ "code": 422, "message": "invalid", "reason": "Invalid" }),
            );
        let rendered = sample(vec![object("v1", "ConfigMap", Some("sample"), "config")]);
        let error = api.cluster().apply_addon(&rendered).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "apply ConfigMap sample/config: the Kubernetes API refused with status 422: invalid"
        );
        assert_eq!(written_inventories(&api), [(String::new(), 1)]);
    }
}
