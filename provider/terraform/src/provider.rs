//! The provider: the `provider "kubeone"` block and the list of what there is.

use std::sync::Arc;

use async_trait::async_trait;
use kubeone_hosts::LocalEnvironment;
use kubeone_spec::{ProviderSpec, validate_provider};
use tfplugin::{
    ConfigureRequest, DataSource, Diagnostics, EphemeralResource, Provider, Resource, Schema, ValidateProviderRequest,
    Value,
};

use crate::cluster::ClusterResource;
use crate::cluster_status::ClusterStatusDataSource;
use crate::connection::Connection;
use crate::decode::{Decoded, decode};
use crate::diagnostics::from_findings;
use crate::kubeconfig::EphemeralKubeconfig;
use crate::model::PROVIDER;
use crate::progress::{Progress, ProgressEnvironment};

/// Clusters of Kubernetes on hosts that exist already.
pub struct KubeoneProvider {
    connection: Connection,
    progress: Progress,
    user: Option<String>,
}

/// What the provider needs to know about where it runs. The environment is read by the caller.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub ssh: LocalEnvironment,
    pub progress: ProgressEnvironment,
    /// Who runs Terraform.
    pub user: Option<String>,
}

impl KubeoneProvider {
    pub fn new(surroundings: Surroundings) -> Self {
        let Surroundings { ssh, progress, user } = surroundings;
        Self { connection: Connection::new(ssh), progress: Progress::new(progress), user }
    }
}

#[async_trait]
impl Provider for KubeoneProvider {
    fn schema(&self) -> Schema {
        PROVIDER.schema().clone()
    }

    async fn validate(&self, request: ValidateProviderRequest) -> Diagnostics {
        match settings(&request.config) {
            Ok((_, diagnostics)) | Err(diagnostics) => diagnostics,
        }
    }

    async fn configure(&self, request: ConfigureRequest) -> Diagnostics {
        let (decoded, diagnostics) = match settings(&request.config) {
            Ok(decoded) => decoded,
            Err(diagnostics) => return diagnostics,
        };
        self.progress.configure(decoded.settings.progress);
        self.connection.configure(decoded.unknown.is_empty().then_some(decoded.settings.ssh));
        // Terraform has shown the warnings already, when it validated the block.
        diagnostics.into_iter().filter(tfplugin::Diagnostic::is_error).collect()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![Arc::new(ClusterResource::new(self.connection.clone(), self.progress.clone(), self.user.clone()))]
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        vec![Arc::new(ClusterStatusDataSource::new(self.connection.clone()))]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(EphemeralKubeconfig::new(self.connection.clone()))]
    }
}

/// The settings and what is to be said about them.
fn settings(config: &Value) -> Result<(Decoded<ProviderSpec>, Diagnostics), Diagnostics> {
    let decoded = decode::<ProviderSpec>(&PROVIDER, config)?;
    let findings = decoded.keep_certain(validate_provider(&decoded.settings));
    Ok((decoded, from_findings(findings)))
}
