//! What kubeadm is told: typed configuration, written as YAML.
//!
//! Kubelet settings that depend on the host are a patch among the host's files; what stands here is the same for all
//! hosts, or belongs to the registration of one node.

mod client;
mod running;
mod types;

use std::net::{IpAddr, SocketAddr};

use base64::prelude::{BASE64_STANDARD, Engine as _};
pub use client::client_config;
use kubeone_facts::{CgroupVersion, HostFacts};
use kubeone_spec::{ClusterSpec, HostSpec, KubernetesVersion, Role, Secret};
pub use running::{
    advertised_endpoint, encryption_configuration, images_config, named_files, reconfigured, upgrade_config, with_names,
};
use serde_json::json;
use serde_saphyr::to_string as to_yaml;
use types::{
    ApiEndpoint, ApiServer, Argument, BootstrapToken, ClusterConfiguration, ControlPlaneComponent, Discovery, Etcd,
    ExtraVolume, FileDiscovery, InitConfiguration, JoinConfiguration, JoinControlPlane, KUBEADM_API,
    KubeProxyConfiguration, KubeletConfiguration, Networking, NodeRegistration, NodeTaint, Patches, Timeouts,
};
use x509_parser::pem::parse_x509_pem;

use crate::DesiredError;
use crate::control_plane::{Component, ControlPlane, Mount};
use crate::host_files::{PATCHES_DIRECTORY, has_patches};

/// Where containerd listens.
pub const CRI_SOCKET: &str = "unix:///run/containerd/containerd.sock";
/// The manifest that kubeadm writes for the API server of a control plane.
pub const API_SERVER_MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
/// The API server's own port on each control plane; a load balancer may listen on another one.
const API_SERVER_PORT: u16 = 6443;

/// The port of the API server on this host. Where the endpoint is the host itself, it is the endpoint's port.
pub fn api_server_port(spec: &ClusterSpec, host: &HostSpec) -> u16 {
    let endpoint = &spec.api_endpoint;
    if endpoint.is_on(host) { endpoint.port } else { API_SERVER_PORT }
}

/// The address the node registers with; `None` when the user gave a name, which kubeadm then resolves its own way.
pub fn node_ip(host: &HostSpec) -> Option<IpAddr> {
    host.node_address().parse().ok()
}

/// Input of `kubeadm init` for the first control plane.
pub fn init_config(
    spec: &ClusterSpec,
    name: &str,
    host: &HostSpec,
    version: KubernetesVersion,
    facts: &HostFacts,
) -> Result<String, DesiredError> {
    init_config_with(spec, name, host, version, facts, Running::default())
}

/// What is another one than for a new control plane.
#[derive(Clone, Copy, Default)]
pub struct Running {
    /// Where the API server that runs tells others to reach it.
    pub endpoint: Option<SocketAddr>,
    /// A folder in which kubeadm's phases that make certificates look for them, and write them.
    pub certificates_dir: Option<&'static str>,
}

/// The same, for a control plane that runs.
pub fn init_config_with(
    spec: &ClusterSpec,
    name: &str,
    host: &HostSpec,
    version: KubernetesVersion,
    facts: &HostFacts,
    running: Running,
) -> Result<String, DesiredError> {
    let desired = ControlPlane::of(spec);
    let init = InitConfiguration {
        api_version: KUBEADM_API,
        kind: "InitConfiguration",
        // kubeadm insists on a token. It makes this one up itself, shows it to nobody, and a second later it is over.
        bootstrap_tokens: vec![BootstrapToken { ttl: "1s" }],
        node_registration: node_registration(name, host, Role::ControlPlane, facts),
        local_api_endpoint: running_endpoint(spec, host, running.endpoint),
        patches: patches(facts),
    };
    let cluster = ClusterConfiguration {
        api_version: KUBEADM_API,
        kind: "ClusterConfiguration",
        certificates_dir: running.certificates_dir,
        cluster_name: &spec.name,
        kubernetes_version: format!("v{version}"),
        control_plane_endpoint: spec.api_endpoint.to_string(),
        api_server: ApiServer {
            cert_sans: &spec.api_endpoint.alternative_names,
            component: component(&desired, Component::ApiServer),
        },
        controller_manager: component(&desired, Component::ControllerManager),
        scheduler: component(&desired, Component::Scheduler),
        etcd: Etcd { local: component(&desired, Component::Etcd) },
        networking: Networking {
            pod_subnet: spec.cluster_network.pod_subnet,
            service_subnet: spec.cluster_network.service_subnet,
            dns_domain: &spec.cluster_network.cluster_domain,
        },
        // Such keys are made in no time, unlike RSA keys, and are no weaker.
        encryption_algorithm: "ECDSA-P256",
    };
    Ok([
        to_yaml(&init)?,
        to_yaml(&cluster)?,
        to_yaml(&KubeletConfiguration::new())?,
        to_yaml(&KubeProxyConfiguration::new())?,
    ]
    .join("---\n"))
}

/// Where a host that joins finds the kubeconfig of [`discovery`], in memory.
pub const DISCOVERY: &str = "/run/kubeone/discovery.conf";

/// Input of `kubeadm join`: who joins, and the token for the kubelet's first certificate.
pub fn join_config(
    spec: &ClusterSpec,
    name: &str,
    host: &HostSpec,
    role: Role,
    facts: &HostFacts,
    token: &Secret<String>,
) -> Result<Secret<String>, DesiredError> {
    let control_plane = match role {
        Role::ControlPlane => Some(JoinControlPlane { local_api_endpoint: local_api_endpoint(spec, host) }),
        Role::Worker => None,
    };
    let join = JoinConfiguration {
        api_version: KUBEADM_API,
        kind: "JoinConfiguration",
        discovery: Discovery {
            file: FileDiscovery { kube_config_path: DISCOVERY },
            tls_bootstrap_token: token.expose(),
        },
        node_registration: node_registration(name, host, role, facts),
        control_plane,
        patches: patches(facts),
        timeouts: Timeouts { etcd_api_call: "5m" },
    };
    Ok(Secret::new(to_yaml(&join)?))
}

/// The certificate of a CA as kubeconfigs hold it, if it is one.
pub fn authority(pem: &[u8]) -> Result<String, DesiredError> {
    let unreadable =
        |reason: String| DesiredError::Unreadable { what: "the certificate of the cluster's CA".to_owned(), reason };
    let (_, read) = parse_x509_pem(pem).map_err(|error| unreadable(error.to_string()))?;
    read.parse_x509().map_err(|error| unreadable(error.to_string()))?;
    Ok(BASE64_STANDARD.encode(pem))
}

/// Where the API is, whom to trust there and as whom to ask: discovery with credentials, as API servers need not answer
/// those without.
pub fn discovery(spec: &ClusterSpec, authority: &str, token: &Secret<String>) -> Result<Secret<String>, DesiredError> {
    let cluster = json!({
        "server": format!("https://{}", spec.api_endpoint),
        "certificate-authority-data": authority,
    });
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": spec.name, "cluster": cluster }],
        "users": [{ "name": "bootstrap", "user": { "token": token.expose() } }],
        "contexts": [{ "name": "join", "context": { "cluster": spec.name, "user": "bootstrap" } }],
        "current-context": "join",
    });
    Ok(Secret::new(to_yaml(&kubeconfig)?))
}

/// What kubeadm is told of one component. A member of etcd is not given mounts.
fn component(desired: &ControlPlane, component: Component) -> ControlPlaneComponent {
    let volume = |mount: &Mount| ExtraVolume {
        name: mount.name,
        host_path: mount.path,
        mount_path: mount.path,
        read_only: mount.read_only,
        path_type: mount.kind.path_type(),
    };
    ControlPlaneComponent {
        extra_args: desired
            .arguments(component)
            .map(|(name, value)| Argument { name, value: value.to_owned() })
            .collect(),
        extra_volumes: desired.mounts(component).iter().map(volume).collect(),
    }
}

fn node_registration<'a>(name: &'a str, host: &'a HostSpec, role: Role, facts: &HostFacts) -> NodeRegistration<'a> {
    let taints: Option<Vec<_>> = host.taints.as_ref().map(|taints| taints.iter().map(NodeTaint::from).collect());
    NodeRegistration {
        name,
        cri_socket: CRI_SOCKET,
        // Left out, the list means kubeadm's own taint for control planes; a worker has none of its own.
        taints: if role == Role::Worker { Some(taints.unwrap_or_default()) } else { taints },
        kubelet_extra_args: node_ip(host)
            .map(|ip| Argument { name: "node-ip", value: ip.to_string() })
            .into_iter()
            .collect(),
        // kubeadm's only complaint under this name is cgroup v1, which the kubelet's patch permits.
        ignore_preflight_errors: if facts.cgroup == CgroupVersion::V1 { &["SystemVerification"] } else { &[] },
        image_pull_serial: false,
    }
}

fn local_api_endpoint(spec: &ClusterSpec, host: &HostSpec) -> ApiEndpoint {
    ApiEndpoint { advertise_address: node_ip(host), bind_port: api_server_port(spec, host) }
}

/// The one that runs keeps its own.
fn running_endpoint(spec: &ClusterSpec, host: &HostSpec, running: Option<SocketAddr>) -> ApiEndpoint {
    match running {
        Some(endpoint) => ApiEndpoint { advertise_address: Some(endpoint.ip()), bind_port: endpoint.port() },
        None => local_api_endpoint(spec, host),
    }
}

fn patches(facts: &HostFacts) -> Option<Patches> {
    has_patches(facts).then_some(Patches { directory: PATCHES_DIRECTORY })
}

#[cfg(test)]
mod tests;
