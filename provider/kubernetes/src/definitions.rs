//! Waiting until the API serves the kinds that an addon defines.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::watcher,
};
use serde_json::json;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    wait::{Seen, await_each},
};

/// It takes a moment.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Set and taken away again.
const NUDGE: &str = "kubeone.io/nudge";

impl Cluster {
    /// An API server that restarts between its two steps forgets the second one, and does it when the definition is changed
    /// once more, or five minutes later. So what is late is changed once more.
    pub(crate) async fn await_established(&self, names: &[String]) -> Result<(), ClusterError> {
        if names.is_empty() {
            return Ok(());
        }
        match self.watch_definitions(names).await {
            Err(ClusterError::NotReady { .. }) => {}
            other => return other,
        }
        let api = self.definitions();
        let all = ListParams::default();
        let definitions = ask("list CustomResourceDefinitions", PATIENCE, || async { api.list(&all).await }).await?;
        for late in definitions.items.iter().filter(|it| !is_established(it)).map(ResourceExt::name_any) {
            if names.contains(&late) {
                self.nudge(&late, json!("now")).await?;
                self.nudge(&late, json!(null)).await?;
            }
        }
        self.watch_definitions(names).await
    }

    async fn watch_definitions(&self, names: &[String]) -> Result<(), ClusterError> {
        let look = |definition: &CustomResourceDefinition| {
            if is_established(definition) {
                return Seen::AsAwaited;
            }
            let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
            let message = conditions.into_iter().find(|it| it.type_ == ESTABLISHED).and_then(|it| it.message.clone());
            Seen::Otherwise(message.unwrap_or_else(|| "not looked at yet".to_owned()))
        };
        let what = "the kinds of an addon served by the API";
        let names = names.iter().cloned();
        await_each(self.definitions(), watcher::Config::default(), names, what, ESTABLISHED_WITHIN, look).await
    }

    async fn nudge(&self, name: &str, value: serde_json::Value) -> Result<(), ClusterError> {
        let (api, patch) = (self.definitions(), json!({ "metadata": { "annotations": { NUDGE: value } } }));
        let act = format!("change CustomResourceDefinition {name}");
        ask(act, PATIENCE, || async { api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await }).await?;
        Ok(())
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }
}

const ESTABLISHED: &str = "Established";

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == ESTABLISHED && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::FakeApi;

    const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    fn definition(name: &str, established: &str) -> Value {
        json!({
            "metadata": { "name": name },
            "spec": { "group": "example.com", "scope": "Cluster", "names": { "kind": "Thing", "plural": "things" },
                "versions": [] },
            "status": { "conditions": [{ "type": "Established", "status": established, "message": "names accepted" }] },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_that_the_api_server_forgot_is_changed_once_more() {
        let (done, late) = (definition("a.example.com", "True"), definition("b.example.com", "False"));
        let api = FakeApi::new();
        api.expect_watch(PATH, &[done.clone(), late.clone()], &[])
            .expect(&format!("GET {PATH}"), 200, &json!({ "metadata": {}, "items": [done.clone(), late.clone()] }))
            .expect(&format!("PATCH {PATH}/b.example.com"), 200, &late)
            .expect(&format!("PATCH {PATH}/b.example.com"), 200, &late)
            .expect_watch(PATH, &[done, late], &[definition("b.example.com", "True")]);
        let names = ["a.example.com", "b.example.com"].map(str::to_owned);
        api.cluster().await_established(&names).await.unwrap();
        let written = |sent: &crate::fake_api::Sent| sent.body["metadata"]["annotations"][NUDGE].clone();
        let patches: Vec<_> = api.sent().iter().filter(|sent| sent.call.starts_with("PATCH")).map(written).collect();
        assert_eq!(patches, [json!("now"), json!(null)]);
    }
}
