//! Emptying a node: cordon it, evict its pods, wait until they are gone, or take all of it back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::{join_all, try_join_all};
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node as KubernetesNode, Pod},
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use kubeone_spec::{Drain, OnDrainTimeout};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    causes::causes,
    prune::gone_is_fine,
};

/// On a node that we cordoned: without it, nobody could tell it from one that its user cordoned.
const CORDONED: &str = "kubeone/cordoned";

/// Between two looks at the pods that are still there.
const PAUSE: Duration = Duration::from_millis(300);
/// A pod that may not leave yet is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// So many pods are asked to leave at the same time.
const AT_ONCE: usize = 10;
/// Pods that are deleted by force may end in order for so long, and then are forgotten.
const FORCED_END: Duration = Duration::from_mins(1);

/// Longer than a kubelet takes from one heartbeat to the next.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(15);
const HEARTBEAT_LOOK: Duration = Duration::from_secs(1);

/// What became of the pods of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many pods left.
    pub left: usize,
    /// Pods that nothing starts anew elsewhere.
    pub lost: Vec<String>,
    /// Pods that did not leave in time and were deleted.
    pub forced: Vec<String>,
}

impl Drained {
    /// What somebody should know of it; `None` when all pods left as they should.
    pub fn warning(&self) -> Option<String> {
        let list = |what: &str, pods: &[String]| (!pods.is_empty()).then(|| format!("{what}: {}", pods.join(", ")));
        let texts = [
            list("these pods had no controller and are gone for good", &self.lost),
            list("these pods did not leave in time and were deleted", &self.forced),
        ];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Cluster {
    /// Keeps new pods away from a node. Answers whether it is we who do: a node that its user cordoned is left to them.
    pub async fn cordon(&self, name: &str) -> Result<bool, ClusterError> {
        let act = format!("cordon Node {name}");
        let node = ask(&act, PATIENCE, || async { self.nodes_api().get(name).await }).await?;
        if is_cordoned(&node) {
            return Ok(is_cordoned_by_us(&node));
        }
        self.patch_cordon(name, &act, true).await?;
        Ok(true)
    }

    /// Takes back what [`Self::cordon`] did, in this run or in an earlier one. A node that its user cordoned stays so;
    /// one that is gone is fine.
    pub async fn uncordon(&self, name: &str) -> Result<(), ClusterError> {
        let act = format!("uncordon Node {name}");
        let node = ask(&act, PATIENCE, || async { self.nodes_api().get_opt(name).await }).await?;
        if node.as_ref().is_some_and(is_cordoned_by_us) {
            self.patch_cordon(name, &act, false).await?;
        }
        Ok(())
    }

    async fn patch_cordon(&self, name: &str, act: &str, cordoned: bool) -> Result<(), ClusterError> {
        let mark = if cordoned { json!("true") } else { Value::Null };
        let patch = json!({ "metadata": { "annotations": { CORDONED: mark } }, "spec": { "unschedulable": cordoned } });
        ask(act, PATIENCE, || async {
            gone_is_fine(self.nodes_api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await)
        })
        .await
    }

    /// Whether the kubelet of a node lives: it renews its lease every ten seconds, and that is awaited. The Node itself
    /// says only after most of a minute that its kubelet is gone.
    pub async fn is_heartbeating(&self, name: &str) -> Result<bool, ClusterError> {
        let Some(before) = self.last_heartbeat(name).await? else { return Ok(false) };
        self.beats(name, Some(before), HEARTBEAT_WITHIN).await
    }

    /// The same, with another patience, and of a node that may not have had a heartbeat yet.
    pub async fn is_heartbeating_within(&self, name: &str, patience: Duration) -> Result<bool, ClusterError> {
        let before = self.last_heartbeat(name).await?;
        self.beats(name, before, patience).await
    }

    async fn beats(&self, name: &str, before: Option<MicroTime>, patience: Duration) -> Result<bool, ClusterError> {
        let beats = async {
            let mut ticks = interval(HEARTBEAT_LOOK);
            loop {
                ticks.tick().await;
                let last = self.last_heartbeat(name).await?;
                if last.is_some() && last != before {
                    return Ok(true);
                }
            }
        };
        timeout(patience, beats).await.unwrap_or(Ok(false))
    }

    async fn last_heartbeat(&self, name: &str) -> Result<Option<MicroTime>, ClusterError> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "kube-node-lease");
        let lease = ask(format!("read Lease {name}"), PATIENCE, || async { leases.get_opt(name).await }).await?;
        Ok(lease.and_then(|lease| lease.spec).and_then(|spec| spec.renew_time))
    }

    /// Evicts the pods of a node and waits until they are gone. The caller cordons the node before, and uncordons it
    /// afterwards, whether this succeeds or not.
    pub async fn drain(&self, name: &str, drain: &Drain) -> Result<Drained, ClusterError> {
        let mut course = Course::default();
        let waited = drain.timeout.0;
        match timeout(waited, self.evict_until_empty(name, &mut course)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) if drain.on_timeout == OnDrainTimeout::Force => course.forced = self.force_out(name).await?,
            Err(_) => {
                return Err(ClusterError::NotDrained { node: name.to_owned(), waited, pods: course.still_there() });
            }
        }
        Ok(Drained { left: course.known.len(), lost: course.lost.into_iter().collect(), forced: course.forced })
    }

    async fn evict_until_empty(&self, node: &str, course: &mut Course) -> Result<(), ClusterError> {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let pods = self.movable_pods(node).await?;
            course.look(&pods);
            if pods.is_empty() {
                return Ok(());
            }
            let now = Instant::now();
            let due: Vec<&Pod> = pods.iter().filter(|pod| course.is_due(pod, now)).collect();
            for pods in due.chunks(AT_ONCE) {
                let answers = join_all(pods.iter().map(|pod| self.evict(pod))).await;
                pods.iter().zip(answers).for_each(|(pod, refusal)| course.asked(pod, refusal, now));
            }
        }
    }

    /// Asks a pod to leave; answers why it may not.
    async fn evict(&self, pod: &Pod) -> Option<String> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        // The uid keeps a new pod of the same name, as StatefulSets make them, out of it.
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name, "namespace": namespace },
            "deleteOptions": { "preconditions": { "uid": pod.metadata.uid } },
        });
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let answer = pods.create_subresource::<_, Value>("eviction", &name, &PostParams::default(), &eviction).await;
        match answer {
            Ok(_) => None,
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => None,
            Err(kube::Error::Api(status)) => {
                // The budget's name is among the causes.
                let details = status.details.iter().flat_map(|details| &details.causes);
                let texts = std::iter::once(&status.message).chain(details.map(|cause| &cause.message));
                Some(texts.map(|text| text.trim_end_matches('.')).collect::<Vec<_>>().join(": "))
            }
            Err(error) => Some(causes(&error)),
        }
    }

    /// Deletes what is left on a node, and answers what that was.
    async fn force_out(&self, node: &str) -> Result<Vec<String>, ClusterError> {
        let pods = self.movable_pods(node).await?;
        try_join_all(pods.iter().map(|pod| self.delete_pod(pod, None))).await?;
        let gone = async {
            let mut ticks = interval(PAUSE);
            loop {
                ticks.tick().await;
                if self.movable_pods(node).await?.is_empty() {
                    return Ok::<_, ClusterError>(());
                }
            }
        };
        if let Ok(gone) = timeout(FORCED_END, gone).await {
            gone?;
        } else {
            let stuck = self.movable_pods(node).await?;
            try_join_all(stuck.iter().map(|pod| self.delete_pod(pod, Some(0)))).await?;
        }
        Ok(pods.iter().map(name_of).collect())
    }

    /// Forgets all pods of a node whose machine is gone, so that others take their place at once, and answers those that
    /// nothing starts anew.
    pub async fn abandon_pods(&self, node: &str) -> Result<Vec<String>, ClusterError> {
        let pods = self.pods_on(node).await?;
        try_join_all(pods.iter().map(|pod| self.delete_pod(pod, Some(0)))).await?;
        Ok(pods.iter().filter(|pod| !belongs_to_node(pod) && is_lost(pod)).map(name_of).collect())
    }

    /// Ends all pods of a node whose Node is a new object, so that new ones take their places, and answers those that
    /// nothing starts anew. They have addresses of the Node before, and what carries the network of the node has
    /// announced itself in that one only.
    pub async fn renew_pods(&self, node: &str) -> Result<Vec<String>, ClusterError> {
        let mut pods = self.pods_on(node).await?;
        pods.retain(|pod| !is_mirror(pod));
        try_join_all(pods.iter().map(|pod| self.delete_pod(pod, None))).await?;
        Ok(pods.iter().filter(|pod| is_lost(pod)).map(name_of).collect())
    }

    async fn delete_pod(&self, pod: &Pod, grace_period_seconds: Option<u32>) -> Result<(), ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let preconditions = Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None });
        let how = DeleteParams { grace_period_seconds, preconditions, ..DeleteParams::default() };
        ask(format!("delete Pod {}", name_of(pod)), PATIENCE, || async {
            match gone_is_fine(pods.delete(&pod.name_any(), &how).await) {
                // Another pod has its name now.
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
                other => other,
            }
        })
        .await
    }

    async fn movable_pods(&self, node: &str) -> Result<Vec<Pod>, ClusterError> {
        let mut pods = self.pods_on(node).await?;
        pods.retain(|pod| !belongs_to_node(pod));
        Ok(pods)
    }

    async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, ClusterError> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let scope = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let list = ask(format!("list the pods of Node {node}"), PATIENCE, || async { pods.list(&scope).await }).await?;
        Ok(list.items)
    }
}

/// What was asked of the pods of a node, and what they answered.
#[derive(Default)]
struct Course {
    /// All pods that were ever seen, by uid.
    known: BTreeSet<String>,
    lost: BTreeSet<String>,
    forced: Vec<String>,
    /// By uid.
    evictions: BTreeMap<String, Eviction>,
    /// Pods that were there at the last look, by uid.
    present: BTreeMap<String, String>,
}

enum Eviction {
    Accepted,
    Refused { reason: String, at: Instant },
}

impl Course {
    fn look(&mut self, pods: &[Pod]) {
        self.present = pods.iter().map(|pod| (pod.uid().unwrap_or_default(), name_of(pod))).collect();
        self.known.extend(self.present.keys().cloned());
        self.lost.extend(pods.iter().filter(|pod| is_lost(pod)).map(name_of));
    }

    fn is_due(&self, pod: &Pod, now: Instant) -> bool {
        let leaves = pod.metadata.deletion_timestamp.is_some();
        !leaves
            && match self.evictions.get(&pod.uid().unwrap_or_default()) {
                None => true,
                Some(Eviction::Accepted) => false,
                Some(Eviction::Refused { at, .. }) => now.duration_since(*at) >= ASK_AGAIN,
            }
    }

    fn asked(&mut self, pod: &Pod, refusal: Option<String>, at: Instant) {
        let eviction = refusal.map_or(Eviction::Accepted, |reason| Eviction::Refused { reason, at });
        self.evictions.insert(pod.uid().unwrap_or_default(), eviction);
    }

    /// Who is there, and why.
    fn still_there(&self) -> String {
        let pods = self.present.iter().map(|(uid, name)| match self.evictions.get(uid) {
            Some(Eviction::Refused { reason, .. }) => format!("{name} ({reason})"),
            _ => format!("{name} (has not ended yet)"),
        });
        let mut pods: Vec<String> = pods.collect();
        pods.sort();
        pods.join("; ")
    }
}

fn name_of(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())
}

/// Pods that come and go with their node: those of DaemonSets, and the images of static pods.
fn belongs_to_node(pod: &Pod) -> bool {
    let of_daemon_set =
        pod.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.kind == "DaemonSet");
    of_daemon_set || is_mirror(pod)
}

/// The image of a static pod, which the kubelet makes by itself.
fn is_mirror(pod: &Pod) -> bool {
    pod.annotations().contains_key("kubernetes.io/config.mirror")
}

/// Whether nothing makes another pod in the place of this one, and it had work to do.
fn is_lost(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let ended = matches!(phase, Some("Succeeded" | "Failed"));
    !ended && !pod.owner_references().iter().any(|owner| owner.controller == Some(true))
}

fn is_cordoned(node: &KubernetesNode) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

/// Whether an operation of ours cordoned a node and did not come to its end. The mark counts also where somebody has
/// uncordoned the node since: as long as it is there, a cordon of their own would look like ours.
pub(crate) fn is_cordoned_by_us(node: &KubernetesNode) -> bool {
    node.annotations().contains_key(CORDONED)
}

#[cfg(test)]
#[path = "drain/tests.rs"]
mod tests;
