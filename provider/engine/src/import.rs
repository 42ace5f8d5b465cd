//! Looks at a cluster that Terraform knows nothing of yet, and says which settings it would have been made with. Reads
//! only.

mod settings;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kubeone_desired::kubeadm::API_SERVER_MANIFEST;
use kubeone_facts::{ApiState, HostState, Observed};
use kubeone_hosts::Host;
use kubeone_spec::ClusterSpec;
use thiserror::Error;

use crate::error::StepError;
use crate::observe::{ADMIN_CONF, connect_through, observe_host};

/// For each answer of the API. It runs already, so there is nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The control plane through which a cluster is looked at, and how the user said to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entrance {
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
}

/// A cluster as it was found.
#[derive(Debug)]
pub struct Imported {
    pub spec: ClusterSpec,
    /// The same as a user would write it, without what has its default.
    pub settings: serde_json::Value,
    /// The API, and the host that was looked at.
    pub observed: Observed,
    /// This provider made the cluster, or adopted it before.
    pub ours: bool,
}

/// Why a cluster cannot be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("the host could not be looked at")]
    Host(#[source] StepError),
    #[error("it is no control plane of a cluster that kubeadm made: {reason}")]
    NoControlPlane { reason: String },
    #[error("the cluster could not be looked at")]
    Cluster(#[source] StepError),
    #[error("this provider cannot run the cluster: {reason}")]
    Unfit { reason: String },
}

/// Looks at the cluster of which this host is a control plane.
pub async fn import(entrance: &Entrance, host: Arc<dyn Host>) -> Result<Imported, ImportError> {
    let facts = observe_host(host.as_ref()).await.map_err(ImportError::Host)?;
    let no_control_plane = |reason: String| ImportError::NoControlPlane { reason };
    if !facts.kubernetes.admin_conf {
        return Err(no_control_plane(format!("there is no {ADMIN_CONF}")));
    }
    let manifest = host.read(Path::new(API_SERVER_MANIFEST)).await.map_err(|error| ImportError::Host(error.into()))?;
    let manifest = manifest.ok_or_else(|| no_control_plane(format!("there is no {API_SERVER_MANIFEST}")))?;
    let port = settings::secure_port(&String::from_utf8_lossy(manifest.expose()));

    let api = connect_through(host, port).await.map_err(ImportError::Cluster)?;
    let configuration = api.cluster.kubeadm_configuration(PATIENCE).await;
    let configuration = configuration.map_err(|error| ImportError::Cluster(error.into()))?;
    let configuration =
        configuration.ok_or_else(|| no_control_plane("there is no ConfigMap kube-system/kubeadm-config".to_owned()))?;
    let found = settings::Found { entrance, facts: &facts, api: &api.facts, server: &api.server, port };
    let (name, settings) = found.settings(&configuration)?;
    let spec = settings::read(&settings)?;
    let ours = facts.marker.as_ref().is_some_and(|marker| marker.uid.as_ref() == Some(&api.facts.cluster_uid));
    let observed = Observed {
        hosts: BTreeMap::from([(name, HostState::Reached(Box::new(facts)))]),
        api: ApiState::Answered(Box::new(api.facts)),
        ..Observed::default()
    };
    Ok(Imported { spec, settings, observed, ours })
}
