//! What the API says about a cluster, read in one go.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use futures::{future::try_join_all, try_join};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{ConfigMap, Namespace, Node as KubernetesNode},
};
use kube::{Api, Resource, api::ListParams, core::NamespaceResourceScope};
use kubeone_desired::{Addon, COREDNS, KUBE_PROXY};
use serde::de::DeserializeOwned;

use crate::{
    Cluster, ClusterError, DeprecatedApi, NodeSettings, call::ask, cluster::SYSTEM_NAMESPACE, drain::is_cordoned_by_us,
    node_settings,
};

/// A node is some 20 KB.
const NODES_AT_ONCE: u32 = 500;
/// Kubernetes is made for 5,000 nodes.
const MOST_PAGES: usize = 40;

/// The cluster as the API describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The uid of `kube-system`: the identity of the cluster.
    pub uid: String,
    /// Version of the API server that answered, such as `v1.36.3`.
    pub version: String,
    pub nodes: BTreeMap<String, Node>,
    pub addons: BTreeMap<String, AddonStatus>,
    /// What is not there of that which `kubeadm init` leaves behind: its ConfigMaps, kube-proxy, CoreDNS.
    pub missing: Vec<String>,
    /// `kubernetesVersion` of kubeadm's configuration, such as `v1.36.3`; empty when it is not there.
    pub kubeadm_version: String,
    /// Tag of kube-proxy's image, such as `v1.36.3`; empty when there is none.
    pub kube_proxy_version: String,
    pub deprecated_apis: Vec<DeprecatedApi>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub ready: bool,
    pub control_plane: bool,
    pub unschedulable: bool,
    /// It is unschedulable because an operation of ours was interrupted.
    pub cordoned_by_us: bool,
    pub kubelet_version: String,
    /// With the runtime's name, such as `containerd://2.1.4`.
    pub container_runtime_version: String,
    pub internal_address: String,
    /// `/etc/machine-id` of the machine that registered it.
    pub machine_id: String,
    pub settings: NodeSettings,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddonStatus {
    /// Hash of the objects that were applied last; empty when applying was interrupted.
    pub hash: String,
    /// Its pods run everywhere they should.
    pub ready: bool,
    /// In words, what others did to its objects since. Empty when applying was interrupted.
    pub drift: Vec<String>,
}

impl Cluster {
    /// Reads everything at the same time. `patience` is for each single answer.
    pub async fn facts(&self, patience: Duration) -> Result<ClusterFacts, ClusterError> {
        let (uid, version, nodes, addons, missing, kubeadm_version, kube_proxy_version, deprecated_apis) = try_join!(
            self.uid(patience),
            self.version(patience),
            self.nodes(patience),
            self.addons(patience),
            self.missing(patience),
            self.kubeadm_version(patience),
            self.kube_proxy_version(patience),
            self.deprecated_apis(patience),
        )?;
        Ok(ClusterFacts { uid, version, nodes, addons, missing, kubeadm_version, kube_proxy_version, deprecated_apis })
    }

    pub async fn uid(&self, patience: Duration) -> Result<String, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let act = format!("read Namespace {SYSTEM_NAMESPACE}");
        let namespace = ask(&act, patience, || async { namespaces.get(SYSTEM_NAMESPACE).await }).await?;
        namespace.metadata.uid.ok_or_else(|| ClusterError::Answer { act, reason: "it has no uid".to_owned() })
    }

    pub async fn version(&self, patience: Duration) -> Result<String, ClusterError> {
        let version = ask("read the version", patience, || async { self.client.apiserver_version().await }).await?;
        Ok(version.git_version)
    }

    pub async fn nodes(&self, patience: Duration) -> Result<BTreeMap<String, Node>, ClusterError> {
        let mut page = ListParams::default().limit(NODES_AT_ONCE);
        let mut described = BTreeMap::new();
        for _ in 0..MOST_PAGES {
            let nodes = ask("list nodes", patience, || async { self.nodes_api().list(&page).await }).await?;
            described.extend(
                nodes.items.into_iter().map(|node| (node.metadata.name.clone().unwrap_or_default(), describe(node))),
            );
            match nodes.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return Ok(described),
            }
        }
        let reason = "there are more of them than Kubernetes supports".to_owned();
        Err(ClusterError::Answer { act: "list nodes".to_owned(), reason })
    }

    /// One node, which may not have registered yet: kubeadm is done with a join when the kubelet has its certificate.
    pub async fn await_node(&self, name: &str, deadline: Duration) -> Result<Node, ClusterError> {
        let node = ask(format!("read Node {name}"), deadline, || async {
            self.nodes_api().get(name).await.map_err(|error| match error {
                kube::Error::Api(status) if status.is_not_found() => kube::Error::Service(status.into()),
                other => other,
            })
        });
        Ok(describe(node.await?))
    }

    /// What `kubeadm init` leaves behind when it comes to its end, and is not there.
    pub async fn missing(&self, patience: Duration) -> Result<Vec<String>, ClusterError> {
        let present = try_join!(
            self.exists::<ConfigMap>(SYSTEM_NAMESPACE, "kubeadm-config", patience),
            self.exists::<ConfigMap>(SYSTEM_NAMESPACE, "kubelet-config", patience),
            self.exists::<ConfigMap>("kube-public", "cluster-info", patience),
            self.exists::<DaemonSet>(SYSTEM_NAMESPACE, "kube-proxy", patience),
            self.exists::<Deployment>(SYSTEM_NAMESPACE, "coredns", patience),
        )?;
        let (kubeadm_config, kubelet_config, cluster_info, kube_proxy, coredns) = present;
        let all = [
            ("ConfigMap kube-system/kubeadm-config", kubeadm_config),
            ("ConfigMap kube-system/kubelet-config", kubelet_config),
            ("ConfigMap kube-public/cluster-info", cluster_info),
            (KUBE_PROXY, kube_proxy),
            (COREDNS, coredns),
        ];
        Ok(all.into_iter().filter(|(_, there)| !there).map(|(object, _)| object.to_owned()).collect())
    }

    pub async fn addons(&self, patience: Duration) -> Result<BTreeMap<String, AddonStatus>, ClusterError> {
        let inventories = self.inventories(patience).await?;
        let statuses = inventories.into_iter().map(|(name, inventory)| async move {
            let drift = async {
                if inventory.hash.is_empty() { Ok(Vec::new()) } else { self.drift(&inventory, patience).await }
            };
            let (ready, drift) = try_join!(self.is_addon_ready(&name, patience), drift)?;
            Ok::<_, ClusterError>((name, AddonStatus { hash: inventory.hash, ready, drift }))
        });
        Ok(try_join_all(statuses).await?.into_iter().collect())
    }

    /// An addon of another version of the provider, unknown here, counts as ready: nothing here could make it so.
    async fn is_addon_ready(&self, name: &str, patience: Duration) -> Result<bool, ClusterError> {
        let Ok(addon) = Addon::find(name) else { return Ok(true) };
        let checks = addon.workloads().iter().map(|workload| self.is_rolled_out(workload, patience));
        Ok(try_join_all(checks).await?.into_iter().all(|ready| ready))
    }

    pub(crate) async fn exists<K>(&self, namespace: &str, name: &str, patience: Duration) -> Result<bool, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let act = format!("look for {} {namespace}/{name}", K::kind(&()));
        Ok(ask(act, patience, || async { api.get_metadata_opt(name).await }).await?.is_some())
    }
}

fn describe(node: KubernetesNode) -> Node {
    let cordoned_by_us = is_cordoned_by_us(&node);
    let settings = node_settings::settings(&node);
    let status = node.status.unwrap_or_default();
    let labels = node.metadata.labels.unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let addresses = status.addresses.unwrap_or_default();
    Node {
        ready: conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        control_plane: labels.contains_key("node-role.kubernetes.io/control-plane"),
        cordoned_by_us,
        unschedulable: node.spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        kubelet_version: info.kubelet_version,
        container_runtime_version: info.container_runtime_version,
        machine_id: info.machine_id,
        internal_address: addresses
            .into_iter()
            .find(|address| address.type_ == "InternalIP")
            .map(|address| address.address)
            .unwrap_or_default(),
        settings,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FakeApi;

    #[tokio::test]
    async fn init_is_complete_only_with_all_its_parts() {
        let api = FakeApi::new();
        let there =
            json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": "x" } });
        api.expect("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 200, &there)
            .expect("GET /api/v1/namespaces/kube-system/configmaps/kubelet-config", 200, &there)
            .expect("GET /api/v1/namespaces/kube-public/configmaps/cluster-info", 200, &there)
            .expect("GET /apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy", 200, &there)
            .expect_missing("GET /apis/apps/v1/namespaces/kube-system/deployments/coredns");
        assert_eq!(api.cluster().missing(Duration::from_secs(1)).await.unwrap(), [COREDNS]);
    }

    #[tokio::test]
    async fn a_node_is_described() {
        let node = json!({
            "metadata": { "name": "cp-1", "labels": { "node-role.kubernetes.io/control-plane": "" } },
            "spec": { "unschedulable": true },
            "status": {
                "addresses": [{ "type": "Hostname", "address": "cp-1" }, { "type": "InternalIP", "address": "10.0.0.1" }],
                "conditions": [{ "type": "Ready", "status": "True" }],
                "nodeInfo": { "kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.1.4",
                    "architecture": "", "bootID": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "",
                    "operatingSystem": "", "osImage": "", "systemUUID": "" },
            },
        });
        let api = FakeApi::new();
        api.expect("GET /api/v1/nodes", 200, &json!({ "metadata": {}, "items": [node] }));
        let nodes = api.cluster().nodes(Duration::from_secs(1)).await.unwrap();
        let described = &nodes["cp-1"];
        assert!(described.ready && described.control_plane && described.unschedulable);
        assert_eq!(described.internal_address, "10.0.0.1");
        assert_eq!(described.kubelet_version, "v1.36.3");
    }

    #[tokio::test]
    async fn nodes_come_in_pages_that_come_to_an_end() {
        let page = |name: &str, more: &str| json!({ "metadata": { "continue": more }, "items": [{ "metadata": { "name": name } }] });
        let api = FakeApi::new();
        api.expect("GET /api/v1/nodes", 200, &page("cp-1", "next")).expect("GET /api/v1/nodes", 200, &page("w-1", ""));
        let nodes = api.cluster().nodes(Duration::from_secs(1)).await.unwrap();
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["cp-1", "w-1"]);
        let asked: Vec<_> = api.sent().into_iter().map(|sent| sent.query).collect();
        assert_eq!(asked, ["&limit=500", "&limit=500&continue=next"]);
        for _ in 0..MOST_PAGES {
            api.expect("GET /api/v1/nodes", 200, &page("w-1", "next"));
        }
        let error = api.cluster().nodes(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "list nodes: the answer makes no sense: there are more of them than Kubernetes supports"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_may_come_late() {
        let api = FakeApi::new();
        api.expect_missing("GET /api/v1/nodes/w-1").expect(
            "GET /api/v1/nodes/w-1",
            200,
            &json!({ "metadata": { "name": "w-1", "labels": { "node-role.kubernetes.io/control-plane": "" } } }),
        );
        assert!(api.cluster().await_node("w-1", Duration::from_secs(5)).await.unwrap().control_plane);
    }

    #[tokio::test]
    async fn addons_are_found_through_their_inventories() {
        let api = FakeApi::new();
        let inventory =
            json!({ "metadata": { "name": "kubeone-addon-canal" }, "data": { "hash": "abc", "objects.json": "[]" } });
        api.expect(
            "GET /api/v1/namespaces/kube-system/configmaps",
            200,
            &json!({ "metadata": {}, "items": [inventory] }),
        )
        .expect_missing("GET /apis/apps/v1/namespaces/kube-system/daemonsets/canal");
        let addons = api.cluster().addons(Duration::from_secs(1)).await.unwrap();
        assert_eq!(addons["canal"], AddonStatus { hash: "abc".to_owned(), ready: false, drift: Vec::new() });
    }
}
