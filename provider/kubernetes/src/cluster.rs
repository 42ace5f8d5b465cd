//! A cluster's API, reached through any of its control planes.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use crate::{ClusterError, Kubeconfig, call::ask, connection, connection::ApiServer, kinds::Kinds};

/// Where kubeadm and our addons keep what belongs to the whole cluster.
pub(crate) const SYSTEM_NAMESPACE: &str = "kube-system";

/// The API of one cluster. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) kinds: Arc<Kinds>,
}

impl Cluster {
    /// Prepares the connection; the first verb opens it.
    pub fn connect(kubeconfig: &Kubeconfig, servers: Vec<ApiServer>) -> Self {
        Self::from_client(connection::connect(kubeconfig, servers))
    }

    pub(crate) fn from_client(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// Waits until the API answers and lets us in, and returns the cluster's uid.
    ///
    /// Right after its start an API server refuses even administrators, until their role binding and `kube-system` exist.
    pub async fn await_api(&self, deadline: Duration) -> Result<String, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let act = "reach the Kubernetes API as administrator";
        let namespace = ask(act, deadline, || async {
            namespaces.get(SYSTEM_NAMESPACE).await.map_err(|error| match error {
                kube::Error::Api(status) if status.is_forbidden() || status.is_not_found() => {
                    kube::Error::Service(status.into())
                }
                other => other,
            })
        })
        .await?;
        namespace.metadata.uid.ok_or_else(|| ClusterError::Answer {
            act: act.to_owned(),
            reason: format!("namespace {SYSTEM_NAMESPACE} has no uid"),
        })
    }
}
