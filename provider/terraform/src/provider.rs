//! The provider: the `provider "kubeone"` block and the list of what there is.

use std::sync::Arc;

use async_trait::async_trait;
use kubeone_hosts::LocalEnvironment;
use kubeone_spec::{BackupSettings, FieldPath, ProviderSpec, validate_provider};
use tfplugin::{
    ConfigureRequest, DataSource, Diagnostics, EphemeralResource, Provider, Resource, Schema, ValidateProviderRequest,
    Value,
};

use crate::cluster::ClusterResource;
use crate::cluster_status::ClusterStatusDataSource;
use crate::connection::{Connection, Network, Ssh};
use crate::decode::{Decoded, decode};
use crate::diagnostics::from_findings;
use crate::kubeconfig::EphemeralKubeconfig;
use crate::local::Local;
use crate::model::PROVIDER;
use crate::progress::{Progress, ProgressEnvironment};

/// Clusters of Kubernetes on hosts that exist already.
pub struct KubeoneProvider {
    connection: Connection,
    progress: Progress,
    local: Local,
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
        let network = Arc::new(Ssh(surroundings.ssh.clone()));
        Self::on(network, surroundings)
    }

    /// The same with hosts that another network than SSH leads to.
    pub(crate) fn on(network: Arc<dyn Network>, surroundings: Surroundings) -> Self {
        let Surroundings { ssh, progress, user } = surroundings;
        Self {
            connection: Connection::new(network),
            progress: Progress::new(progress),
            local: Local::new(ssh.home),
            user,
        }
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
        let is_known = |field| !decoded.is_unknown(&FieldPath::root(field));
        let (ssh, backup) = (is_known("ssh"), is_known("backup"));
        self.progress.configure(decoded.settings.progress);
        self.local.configure(if backup { decoded.settings.backup } else { BackupSettings::default() });
        self.connection.configure(ssh.then_some(decoded.settings.ssh));
        // Terraform has shown the warnings already, when it validated the block.
        diagnostics.into_iter().filter(tfplugin::Diagnostic::is_error).collect()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        let Self { connection, progress, local, user } = self;
        vec![Arc::new(ClusterResource::new(connection.clone(), progress.clone(), local.clone(), user.clone()))]
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
