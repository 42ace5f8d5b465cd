//! From what a cluster says of itself to the settings that describe it. Pure.

use std::net::IpAddr;

use kubeone_desired::kubeadm::api_server_port;
use kubeone_desired::{catalog, kubelet};
use kubeone_facts::{ApiFacts, HostFacts, NodeFacts};
use kubeone_spec::{ClusterNetwork, ClusterSpec, KubernetesVersion, Role, Taint};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Entrance, ImportError};

/// Where kubeadm lets API servers listen.
const DEFAULT_PORT: u16 = 6443;

/// All that was found.
pub(super) struct Found<'a> {
    pub entrance: &'a Entrance,
    /// Of the host that was looked at.
    pub facts: &'a HostFacts,
    pub api: &'a ApiFacts,
    /// `server` of the administrator's kubeconfig.
    pub server: &'a str,
    /// Where the API server of the host listens.
    pub port: u16,
}

/// The part of kubeadm's `ClusterConfiguration` that settings follow from.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfiguration {
    cluster_name: String,
    control_plane_endpoint: String,
    networking: Networking,
    api_server: ApiServer,
    etcd: Etcd,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Networking {
    pod_subnet: String,
    service_subnet: String,
    dns_domain: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ApiServer {
    #[serde(rename = "certSANs")]
    cert_sans: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Etcd {
    external: Option<ExternalEtcd>,
    local: Option<LocalEtcd>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct LocalEtcd {
    data_dir: String,
}

#[derive(Deserialize)]
struct ExternalEtcd {
    #[serde(default)]
    endpoints: Vec<String>,
}

/// Where kubeadm has etcd keep its data unless it is told otherwise.
const ETCD_DATA: &str = "/var/lib/etcd";

fn unfit(reason: impl Into<String>) -> ImportError {
    ImportError::Unfit { reason: reason.into() }
}

impl Found<'_> {
    /// The name of the host that was looked at, and the settings of its cluster as a user would write them: what has its
    /// default is left away.
    pub(super) fn settings(&self, configuration: &str) -> Result<(String, Value), ImportError> {
        let configuration: ClusterConfiguration = serde_saphyr::from_str(configuration)
            .map_err(|error| unfit(format!("its ConfigMap kube-system/kubeadm-config cannot be read: {error}")))?;
        if let Some(external) = &configuration.etcd.external {
            return Err(unfit(format!(
                "its etcd runs outside of the control planes ({}); only etcd on the control planes themselves is supported",
                external.endpoints.join(", ")
            )));
        }
        let data = configuration.etcd.local.as_ref().map_or("", |local| local.data_dir.trim_end_matches('/'));
        if !data.is_empty() && data != ETCD_DATA {
            return Err(unfit(format!(
                "its etcd has its data in {data}; snapshots, restores and removals look for them in {ETCD_DATA} alone"
            )));
        }
        let is_this_host = |node: &NodeFacts| node.machine_id == self.facts.machine_id;
        let own = self.api.nodes.iter().find(|(_, node)| is_this_host(node));
        let (own, _) = own.ok_or_else(|| unfit("the host itself is none of its nodes"))?;
        // Those alone have to be named. What runs on workers is looked at with the settings.
        let mut control_planes = self.api.nodes.iter().filter(|(_, node)| node.control_plane);
        if let Some((name, runtime)) = control_planes.find_map(|(name, node)| Some((name, node.other_runtime()?))) {
            return Err(unfit(format!(
                "its node {name} runs its containers with {runtime}; only containerd is supported"
            )));
        }
        let (mut control_plane, mut static_workers) = (Map::new(), Map::new());
        for (name, node) in &self.api.nodes {
            let map = if node.control_plane { &mut control_plane } else { &mut static_workers };
            map.insert(name.clone(), self.host(name, node, name == own)?);
        }
        let mut settings = json!({
            "name": self.name(&configuration),
            "kubernetes_version": self.version()?,
            "api_endpoint": self.endpoint(&configuration)?,
            "control_plane": control_plane,
            "static_workers": static_workers,
            "cluster_network": self.network(&configuration.networking),
        });
        if let Some(settings) = settings.as_object_mut() {
            settings.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
        }
        let spec = read(&settings)?;
        let expected = spec.control_plane.get(own).map(|host| api_server_port(&spec, host));
        if expected != Some(self.port) {
            return Err(unfit(format!(
                "its API servers listen on port {}; behind a load balancer only {DEFAULT_PORT} is supported",
                self.port
            )));
        }
        Ok((own.clone(), settings))
    }

    /// The one in our marker, or else the one that kubeadm was told.
    fn name(&self, configuration: &ClusterConfiguration) -> String {
        match self.facts.marker.as_ref() {
            Some(marker) => marker.cluster.clone(),
            None => configuration.cluster_name.clone(),
        }
    }

    fn version(&self) -> Result<KubernetesVersion, ImportError> {
        let version = self.api.version.parse().ok().filter(|version| catalog::release(*version).is_some());
        version.ok_or_else(|| {
            let known = catalog::known_releases().collect::<Vec<_>>().join(", ");
            unfit(format!("it runs Kubernetes {}; supported are {known}", self.api.version))
        })
    }

    /// Without an endpoint of its own, a cluster is reached where its administrator reaches it: at its only control plane.
    fn endpoint(&self, configuration: &ClusterConfiguration) -> Result<Value, ImportError> {
        let text = match configuration.control_plane_endpoint.as_str() {
            "" => self.server.trim_start_matches("https://").trim_end_matches('/'),
            text => text,
        };
        let (host, port) = host_and_port(text).ok_or_else(|| unfit(format!("`{text}` is no endpoint of an API")))?;
        let mut endpoint = Map::from_iter([("host".to_owned(), host.into())]);
        if let Some(port) = port.filter(|port| *port != DEFAULT_PORT) {
            endpoint.insert("port".to_owned(), port.into());
        }
        if !configuration.api_server.cert_sans.is_empty() {
            endpoint.insert("alternative_names".to_owned(), configuration.api_server.cert_sans.clone().into());
        }
        Ok(endpoint.into())
    }

    fn network(&self, networking: &Networking) -> Value {
        let default = ClusterNetwork::default();
        let fields = [
            ("pod_subnet", &networking.pod_subnet, default.pod_subnet.to_string()),
            ("service_subnet", &networking.service_subnet, default.service_subnet.to_string()),
            ("cluster_domain", &networking.dns_domain, default.cluster_domain),
        ];
        let fields = fields.into_iter().filter(|(_, found, default)| !found.is_empty() && *found != default);
        let mut network: Map<_, _> = fields.map(|(field, found, _)| (field.to_owned(), found.clone().into())).collect();
        if !self.api.addons.contains_key("canal") {
            network.insert("cni".to_owned(), "none".into());
        }
        network.into()
    }

    fn host(&self, name: &str, node: &NodeFacts, is_own: bool) -> Result<Value, ImportError> {
        if node.internal_address.is_empty() {
            return Err(unfit(format!("its node {name} states no InternalIP")));
        }
        // The next look at the cluster goes there over SSH.
        if node.internal_address.parse::<IpAddr>().is_err() {
            return Err(unfit(format!("its node {name} states an InternalIP that is no IP address")));
        }
        let mut host = json!({ "address": node.internal_address });
        if is_own {
            let Entrance { address, user, port } = self.entrance;
            if *address != node.internal_address {
                host = json!({ "address": address, "private_address": node.internal_address });
            }
            let ssh = [("ssh_user", user.as_ref().map(|user| json!(user))), ("ssh_port", port.map(|port| json!(port)))];
            for (field, value) in ssh.into_iter().filter_map(|(field, value)| Some((field, value?))) {
                host[field] = value;
            }
        }
        let settings = &node.settings;
        for (field, entries) in [("labels", &settings.labels), ("annotations", &settings.annotations)] {
            if !entries.is_empty() {
                host[field] = json!(entries);
            }
        }
        let taints = settings.own_taints.as_ref().unwrap_or(&settings.taints);
        let role = if node.control_plane { Role::ControlPlane } else { Role::Worker };
        if *taints != Taint::of_kubeadm(role) {
            host["taints"] = json!(taints);
        }
        if is_own && let Some(kubelet) = kubelet::read(&self.facts.kubelet_settings).filter(|it| !it.is_empty()) {
            host["kubelet"] = json!(kubelet);
        }
        Ok(host)
    }
}

/// What is found can be something that settings have no words for, such as two subnets.
pub(super) fn read(settings: &Value) -> Result<ClusterSpec, ImportError> {
    serde_path_to_error::deserialize(settings)
        .map_err(|error| unfit(format!("`{}` cannot be as it is there: {}", error.path(), error.inner())))
}

/// `host`, `host:port` or `[address]:port`.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host.to_owned(), port.strip_prefix(':').map(str::parse).transpose().ok()?));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), Some(port.parse().ok()?))),
        None if text.is_empty() => None,
        None => Some((text.to_owned(), None)),
    }
}

/// Where an API server listens, by the manifest of its static pod.
pub(super) fn secure_port(manifest: &str) -> u16 {
    let argument = manifest.lines().find_map(|line| line.split_once("--secure-port=").map(|(_, port)| port.trim()));
    argument.and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT)
}

#[cfg(test)]
mod tests;
