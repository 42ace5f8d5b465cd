//! What must be known of a cluster before it is upgraded, and kubeadm's configuration, which the upgrade goes by.

use std::time::Duration;

use http::Request;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{ConfigMap, Node},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::watcher,
};
use kubeone_desired::{Workload, WorkloadKind};
use kubeone_spec::KubernetesVersion;
use serde_json::json;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
    cluster::SYSTEM_NAMESPACE,
    nodes::look_for_ready,
    wait::{Seen, await_each},
};

const KUBEADM_CONFIG: &str = "kubeadm-config";
const CLUSTER_CONFIGURATION: &str = "ClusterConfiguration";

/// An API that somebody asked for since the API server started, and that a later release does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeprecatedApi {
    /// Such as `flowcontrol.apiserver.k8s.io/v1beta3`.
    pub group_version: String,
    pub resource: String,
    /// The first minor release without it, such as `1.32`.
    pub removed_release: String,
}

impl Cluster {
    /// kubeadm's `ClusterConfiguration` as the cluster keeps it, in YAML; `None` when it is not there.
    pub async fn kubeadm_configuration(&self, patience: Duration) -> Result<Option<String>, ClusterError> {
        let act = format!("read ConfigMap {SYSTEM_NAMESPACE}/{KUBEADM_CONFIG}");
        let found = ask(act, patience, || async { self.config_maps().get_opt(KUBEADM_CONFIG).await }).await?;
        Ok(found.and_then(|map| map.data).and_then(|mut data| data.remove(CLUSTER_CONFIGURATION)))
    }

    /// Replaces kubeadm's `ClusterConfiguration`.
    pub async fn set_kubeadm_configuration(&self, yaml: &str, patience: Duration) -> Result<(), ClusterError> {
        let patch = json!({ "data": { CLUSTER_CONFIGURATION: yaml } });
        ask(format!("write ConfigMap {SYSTEM_NAMESPACE}/{KUBEADM_CONFIG}"), patience, || async {
            self.config_maps().patch(KUBEADM_CONFIG, &PatchParams::default(), &Patch::Merge(&patch)).await
        })
        .await?;
        Ok(())
    }

    /// Waits until the kubelet of a node has this version and the node is Ready.
    pub async fn await_node_version(
        &self,
        name: &str,
        version: KubernetesVersion,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let what = format!("Node {name} Ready with the kubelet of Kubernetes {version}");
        let scope = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let look = |node: &Node| {
            let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
            match info.map(|info| info.kubelet_version.as_str()) {
                Some(running) if running.parse() == Ok(version) => look_for_ready(node),
                Some(running) => Seen::Otherwise(format!("its kubelet reports {running}")),
                None => Seen::Otherwise("its kubelet has not reported yet".to_owned()),
            }
        };
        await_each(self.nodes_api(), scope, [name.to_owned()], &what, deadline, look).await
    }

    /// Whether there is such a workload.
    pub async fn has_workload(&self, workload: &Workload) -> Result<bool, ClusterError> {
        let Workload { kind, namespace, name } = workload;
        match kind {
            WorkloadKind::DaemonSet => self.exists::<DaemonSet>(namespace, name, PATIENCE).await,
            WorkloadKind::Deployment => self.exists::<Deployment>(namespace, name, PATIENCE).await,
        }
    }

    pub(crate) async fn kubeadm_version(&self, patience: Duration) -> Result<String, ClusterError> {
        let configuration = self.kubeadm_configuration(patience).await?.unwrap_or_default();
        let version = configuration.lines().find_map(|line| line.strip_prefix("kubernetesVersion:"));
        Ok(version.unwrap_or_default().trim().trim_matches('"').to_owned())
    }

    pub(crate) async fn kube_proxy_version(&self, patience: Duration) -> Result<String, ClusterError> {
        let daemon_sets: Api<DaemonSet> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let act = format!("read DaemonSet {SYSTEM_NAMESPACE}/kube-proxy");
        let found = ask(act, patience, || async { daemon_sets.get_opt("kube-proxy").await }).await?;
        let pod = found.and_then(|it| it.spec).and_then(|spec| spec.template.spec);
        let image = pod.and_then(|pod| pod.containers.into_iter().next()).and_then(|container| container.image);
        Ok(image.as_deref().map(tag).unwrap_or_default().to_owned())
    }

    /// What the API server that answers was asked for. It is only a warning, so what cannot be read is no error.
    pub(crate) async fn deprecated_apis(&self, patience: Duration) -> Result<Vec<DeprecatedApi>, ClusterError> {
        let metrics = ask("read the metrics", patience, || async {
            let request = Request::get("/metrics").body(Vec::new()).map_err(kube::Error::HttpError)?;
            self.client.request_text(request).await
        });
        Ok(metrics.await.map(|text| requested_deprecated_apis(&text)).unwrap_or_default())
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }
}

/// The tag of an image, without a digest behind it.
fn tag(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    name.rsplit('/').next().and_then(|last| last.split_once(':')).map_or("", |(_, tag)| tag)
}

fn requested_deprecated_apis(metrics: &str) -> Vec<DeprecatedApi> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix("apiserver_requested_deprecated_apis{"));
    let read = |line: &str| {
        let (labels, value) = line.split_once('}')?;
        let label = |name: &str| {
            let rest = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""))?;
            rest.strip_suffix('"')
        };
        let removed_release = label("removed_release")?;
        if value.trim() == "0" || removed_release.is_empty() {
            return None;
        }
        let (group, version) = (label("group")?, label("version")?);
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Some(DeprecatedApi {
            group_version,
            resource: label("resource")?.to_owned(),
            removed_release: removed_release.to_owned(),
        })
    };
    let mut apis: Vec<_> = lines.filter_map(read).collect();
    apis.sort();
    apis.dedup();
    apis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeApi;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn deprecated_apis_are_read_from_the_metrics() {
        let metrics = "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"policy\",removed_release=\"1.37\",resource=\"podsecuritypolicies\",\
            subresource=\"\",version=\"v1beta1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"componentstatuses\",\
            subresource=\"\",version=\"v1\"} 1\napiserver_request_total{group=\"\"} 3\n";
        let found = requested_deprecated_apis(metrics);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].group_version.as_str(), found[0].removed_release.as_str()), ("policy/v1beta1", "1.37"));
    }

    #[test]
    fn the_tag_of_an_image_is_not_its_registrys_port() {
        assert_eq!(tag("registry.k8s.io/kube-proxy:v1.36.3"), "v1.36.3");
        assert_eq!(tag("localhost:5000/kube-proxy"), "");
        assert_eq!(tag("localhost:5000/kube-proxy:v1@sha256:ab"), "v1");
    }

    #[tokio::test]
    async fn the_version_is_read_from_kubeadms_configuration() {
        let api = FakeApi::new();
        let map = json!({ "metadata": {}, "data": { CLUSTER_CONFIGURATION: "dns: {}\nkubernetesVersion: v1.35.4\n" } });
        api.expect("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 200, &map);
        assert_eq!(api.cluster().kubeadm_version(PATIENCE).await.unwrap(), "v1.35.4");
    }
}
