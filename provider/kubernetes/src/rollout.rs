//! Waiting until a DaemonSet or Deployment runs everywhere it should, and saying why its pods do not.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::Pod,
};
use kube::{Api, api::ListParams, runtime::watcher};
use kubeone_desired::{Workload, WorkloadKind};

use crate::{
    Cluster, ClusterError,
    call::ask,
    wait::{Seen, await_each},
};

/// How long the search for the reason of a failure may delay its message.
const REASON_WITHIN: Duration = Duration::from_secs(5);

impl Cluster {
    /// Waits until all pods of all these workloads are available and of the newest generation. DaemonSets have pods on nodes
    /// that are down, too; so many of them are not waited for.
    pub async fn await_rollout(
        &self,
        workloads: &[Workload],
        nodes_down: usize,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let waits = workloads.iter().map(|workload| self.await_workload(workload, nodes_down, deadline));
        try_join_all(waits).await.map(drop)
    }

    async fn await_workload(
        &self,
        workload: &Workload,
        nodes_down: usize,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let Workload { kind, namespace, name } = workload;
        let scope = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let what = format!("{workload} rolled out");
        let names = [name.clone()];
        let client = self.client.clone();
        let outcome = match kind {
            WorkloadKind::DaemonSet => {
                let api: Api<DaemonSet> = Api::namespaced(client, namespace);
                let look = |it: &DaemonSet| look_at_daemon_set(it, nodes_down);
                await_each(api, scope, names, &what, deadline, look).await
            }
            WorkloadKind::Deployment => {
                let api: Api<Deployment> = Api::namespaced(client, namespace);
                await_each(api, scope, names, &what, deadline, look_at_deployment).await
            }
        };
        match outcome {
            Err(ClusterError::NotReady { what, waited, last_seen }) => {
                let reasons = self.troubled_pods(workload).await.unwrap_or_default();
                let last_seen = [last_seen].into_iter().chain(reasons).collect::<Vec<_>>().join("; ");
                Err(ClusterError::NotReady { what, waited, last_seen })
            }
            other => other,
        }
    }

    /// Whether a workload is rolled out now.
    pub(crate) async fn is_rolled_out(&self, workload: &Workload, patience: Duration) -> Result<bool, ClusterError> {
        let Workload { kind, namespace, name } = workload;
        let act = format!("read {workload}");
        let client = self.client.clone();
        let seen = match kind {
            WorkloadKind::DaemonSet => {
                let api: Api<DaemonSet> = Api::namespaced(client, namespace);
                ask(act, patience, || async { api.get_opt(name).await })
                    .await?
                    .as_ref()
                    .map(|it| look_at_daemon_set(it, 0))
            }
            WorkloadKind::Deployment => {
                let api: Api<Deployment> = Api::namespaced(client, namespace);
                ask(act, patience, || async { api.get_opt(name).await }).await?.as_ref().map(look_at_deployment)
            }
        };
        Ok(matches!(seen, Some(Seen::AsAwaited)))
    }

    async fn troubled_pods(&self, workload: &Workload) -> Result<Vec<String>, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &workload.namespace);
        let act = format!("list the pods of {workload}");
        let pods = ask(act, REASON_WITHIN, || async { pods.list(&ListParams::default()).await }).await?;
        let belongs = |pod: &Pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            // A Deployment's pods belong to a ReplicaSet that carries the Deployment's name and a hash.
            owners.into_iter().any(|owner| {
                owner.name == workload.name
                    || owner.name.rsplit_once('-').is_some_and(|(name, _)| name == workload.name)
            })
        };
        Ok(pods.items.iter().filter(|pod| belongs(pod)).filter_map(trouble).collect())
    }
}

fn look_at_daemon_set(daemon_set: &DaemonSet, nodes_down: usize) -> Seen {
    let Some(status) = &daemon_set.status else {
        return Seen::Otherwise("no status yet".to_owned());
    };
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    if status.observed_generation < daemon_set.metadata.generation {
        Seen::Otherwise("the newest generation was not looked at yet".to_owned())
    } else if updated.min(available) < wanted.saturating_sub(i32::try_from(nodes_down).unwrap_or(i32::MAX)) {
        Seen::Otherwise(format!("{available} of {wanted} pods are available, {updated} of the newest generation"))
    } else {
        Seen::AsAwaited
    }
}

fn look_at_deployment(deployment: &Deployment) -> Seen {
    let Some(status) = &deployment.status else {
        return Seen::Otherwise("no status yet".to_owned());
    };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    if status.observed_generation < deployment.metadata.generation {
        Seen::Otherwise("the newest generation was not looked at yet".to_owned())
    } else if updated < wanted || available < wanted || status.replicas.unwrap_or(0) > updated {
        Seen::Otherwise(format!("{available} of {wanted} pods are available, {updated} of the newest generation"))
    } else {
        Seen::AsAwaited
    }
}

/// Why a pod does not run, in the words of its scheduler or kubelet.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let reason = containers
        .filter(|container| !container.ready)
        .find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            let reason = waiting.reason.as_deref().filter(|reason| *reason != "PodInitializing")?;
            let message = waiting.message.as_deref().unwrap_or_default();
            Some(format!("container {}: {reason} {message}", container.name))
        })
        .or_else(|| {
            let conditions = status.conditions.iter().flatten();
            let failed = conditions.into_iter().find(|condition| condition.status != "True")?;
            Some(format!("not {}: {}", failed.type_, failed.message.as_deref().unwrap_or_default()))
        })?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node");
    Some(format!("pod {} on {node}: {}", pod.metadata.name.as_deref().unwrap_or_default(), reason.trim_end()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::FakeApi;

    const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";

    fn workload() -> Workload {
        Workload { kind: WorkloadKind::DaemonSet, namespace: "kube-system".to_owned(), name: "canal".to_owned() }
    }

    fn daemon_set(available: i32, observed_generation: i64) -> Value {
        json!({
            "metadata": { "name": "canal", "generation": 2 },
            "status": {
                "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberMisscheduled": 0, "numberReady": available,
                "updatedNumberScheduled": 2, "numberAvailable": available, "observedGeneration": observed_generation,
            },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_is_awaited_through_its_events() {
        let api = FakeApi::new();
        let changed = [daemon_set(2, 1), daemon_set(1, 2), daemon_set(2, 2)];
        api.expect_watch(DAEMON_SETS, &[], &changed);
        api.cluster().await_rollout(&[workload()], 0, Duration::from_mins(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_down_is_not_waited_for() {
        let api = FakeApi::new();
        api.expect_watch(DAEMON_SETS, &[], &[daemon_set(0, 2), daemon_set(1, 2)]);
        api.cluster().await_rollout(&[workload()], 1, Duration::from_mins(1)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_rollout_says_why_its_pods_do_not_run() {
        let pod = |name: &str, owner: &str| {
            json!({
                "metadata": { "name": name, "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner, "uid": "" }] },
                "spec": { "nodeName": "worker-1", "containers": [] },
                "status": { "initContainerStatuses": [{
                    "name": "install-cni", "ready": false, "image": "", "imageID": "", "restartCount": 0,
                    "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such host" } },
                }] },
            })
        };
        let api = FakeApi::new();
        let pods = json!({ "metadata": {}, "items": [pod("canal-x", "canal"), pod("other", "other")] });
        api.expect_watch(DAEMON_SETS, &[daemon_set(1, 2)], &[]).expect(
            "GET /api/v1/namespaces/kube-system/pods",
            200,
            &pods,
        );
        let error = api.cluster().await_rollout(&[workload()], 0, Duration::from_mins(1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "see DaemonSet kube-system/canal rolled out within 60s; last seen: canal: 1 of 2 pods are available, 2 of the \
             newest generation; pod canal-x on worker-1: container install-cni: ImagePullBackOff no such host"
        );
        assert!(error.hint().is_some());
    }
}
