//! The part of kubeadm.k8s.io/v1beta4 and its neighbours that is used here, field for field.

use std::net::IpAddr;

use kubeone_spec::{Subnet, Taint, TaintEffect};
use serde::Serialize;

pub(super) const KUBEADM_API: &str = "kubeadm.k8s.io/v1beta4";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitConfiguration<'a> {
    pub api_version: &'static str,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootstrap_tokens: Vec<BootstrapToken>,
    pub node_registration: NodeRegistration<'a>,
    #[serde(rename = "localAPIEndpoint")]
    pub local_api_endpoint: ApiEndpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patches: Option<Patches>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JoinConfiguration<'a> {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub discovery: Discovery<'a>,
    pub node_registration: NodeRegistration<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<JoinControlPlane>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patches: Option<Patches>,
    pub timeouts: Timeouts,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterConfiguration<'a> {
    pub api_version: &'static str,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates_dir: Option<&'static str>,
    pub cluster_name: &'a str,
    pub kubernetes_version: String,
    pub control_plane_endpoint: String,
    pub api_server: ApiServer<'a>,
    pub controller_manager: ControlPlaneComponent,
    pub scheduler: ControlPlaneComponent,
    pub etcd: Etcd,
    pub networking: Networking<'a>,
    pub encryption_algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiServer<'a> {
    #[serde(rename = "certSANs")]
    pub cert_sans: &'a [String],
    #[serde(flatten)]
    pub component: ControlPlaneComponent,
}

#[derive(Serialize)]
pub(super) struct Etcd {
    pub local: ControlPlaneComponent,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ControlPlaneComponent {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<Argument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_volumes: Vec<ExtraVolume>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtraVolume {
    pub name: &'static str,
    pub host_path: &'static str,
    pub mount_path: &'static str,
    pub read_only: bool,
    pub path_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Networking<'a> {
    pub pod_subnet: Subnet,
    pub service_subnet: Subnet,
    pub dns_domain: &'a str,
}

#[derive(Serialize)]
pub(super) struct BootstrapToken {
    pub ttl: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeRegistration<'a> {
    pub name: &'a str,
    pub cri_socket: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taints: Option<Vec<NodeTaint<'a>>>,
    pub kubelet_extra_args: Vec<Argument>,
    pub ignore_preflight_errors: &'static [&'static str],
    pub image_pull_serial: bool,
}

#[derive(Serialize)]
pub(super) struct NodeTaint<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    effect: TaintEffect,
}

impl<'a> From<&'a Taint> for NodeTaint<'a> {
    fn from(taint: &'a Taint) -> Self {
        Self { key: &taint.key, value: taint.value.as_deref(), effect: taint.effect }
    }
}

#[derive(Serialize)]
pub(super) struct Argument {
    pub name: &'static str,
    pub value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiEndpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise_address: Option<IpAddr>,
    pub bind_port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Discovery<'a> {
    pub file: FileDiscovery,
    pub tls_bootstrap_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileDiscovery {
    pub kube_config_path: &'static str,
}

#[derive(Serialize)]
pub(super) struct JoinControlPlane {
    #[serde(rename = "localAPIEndpoint")]
    pub local_api_endpoint: ApiEndpoint,
}

#[derive(Serialize)]
pub(super) struct Patches {
    pub directory: &'static str,
}

#[derive(Serialize)]
pub(super) struct Timeouts {
    /// etcd takes one learner after the other; while control planes join side by side, kubeadm waits for its turn.
    #[serde(rename = "etcdAPICall")]
    pub etcd_api_call: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KubeletConfiguration {
    api_version: &'static str,
    kind: &'static str,
    cgroup_driver: &'static str,
}

impl KubeletConfiguration {
    pub(super) fn new() -> Self {
        Self { api_version: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration", cgroup_driver: "systemd" }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KubeProxyConfiguration {
    api_version: &'static str,
    kind: &'static str,
    /// Stated, so that a later default of kube-proxy never changes a running cluster.
    mode: &'static str,
}

impl KubeProxyConfiguration {
    pub(super) fn new() -> Self {
        Self { api_version: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration", mode: "iptables" }
    }
}
