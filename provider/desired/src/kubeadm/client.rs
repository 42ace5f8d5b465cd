//! What kubeadm has to know to make a kubeconfig.

use kubeone_spec::ClusterReference;
use serde::Serialize;
use serde_saphyr::to_string as to_yaml;

use super::types::KUBEADM_API;
use crate::DesiredError;

/// A ClusterConfiguration without the version, which the host knows better: its kubeadm may be older than what is wanted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfiguration<'a> {
    api_version: &'static str,
    kind: &'static str,
    cluster_name: &'a str,
    control_plane_endpoint: String,
    encryption_algorithm: &'static str,
}

/// Input of `kubeadm kubeconfig user`.
pub fn client_config(cluster: &ClusterReference) -> Result<String, DesiredError> {
    let config = ClusterConfiguration {
        api_version: KUBEADM_API,
        kind: "ClusterConfiguration",
        cluster_name: &cluster.name,
        control_plane_endpoint: cluster.api_endpoint.to_string(),
        encryption_algorithm: "ECDSA-P256",
    };
    Ok(to_yaml(&config)?)
}
