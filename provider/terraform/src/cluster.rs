//! `resource "kubeone_cluster"`.

mod apply;
mod approval;
#[cfg(test)]
mod guards;
mod holder;
mod import;
mod limits;
mod locked;
mod operation;
mod plan;
mod read;
mod remove;
mod told;

use async_trait::async_trait;
use kubeone_plan::Wanted;
use kubeone_spec::{ClusterSpec, validate_cluster};
use tfplugin::{
    ApplyRequest, ApplyResponse, Diagnostic, Diagnostics, ImportRequest, ImportResponse, PlanRequest, PlanResponse,
    ReadRequest, ReadResponse, Resource, Schema, ValidateRequest, Value,
};

use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::from_findings;
use crate::local::Local;
use crate::model::CLUSTER;
use crate::progress::Progress;
use crate::{encode, host_keys};

pub(crate) struct ClusterResource {
    connection: Connection,
    progress: Progress,
    local: Local,
    /// Who runs Terraform, as others are told who find the cluster's lock.
    user: Option<String>,
}

impl ClusterResource {
    pub(crate) fn new(connection: Connection, progress: Progress, local: Local, user: Option<String>) -> Self {
        Self { connection, progress, local, user }
    }
}

#[async_trait]
impl Resource for ClusterResource {
    fn type_name(&self) -> &'static str {
        "kubeone_cluster"
    }

    fn schema(&self) -> Schema {
        CLUSTER.schema().clone()
    }

    async fn validate(&self, request: ValidateRequest) -> Diagnostics {
        match decode::<ClusterSpec>(&CLUSTER, &request.config) {
            Ok(decoded) => from_findings(decoded.keep_certain(validate_cluster(&decoded.settings))),
            Err(diagnostic) => diagnostic.into(),
        }
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        read::read(&self.connection, request).await
    }

    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        plan::plan(&request, &self.local.machine(), &self.connection).unwrap_or_else(PlanResponse::from)
    }

    async fn import(&self, request: ImportRequest) -> ImportResponse {
        import::import(&self.connection, request).await.unwrap_or_else(ImportResponse::from)
    }

    async fn create(&self, request: ApplyRequest) -> ApplyResponse {
        apply::apply(self, request).await
    }

    async fn update(&self, request: ApplyRequest) -> ApplyResponse {
        apply::apply(self, request).await
    }

    async fn delete(&self, request: ApplyRequest) -> ApplyResponse {
        remove::remove(self, request).await
    }
}

/// A cluster that exists, with these settings and what its state knows of it. Whether it was imported is left open.
fn known(spec: ClusterSpec, state: &Value, private: &[u8]) -> Result<Wanted, Diagnostic> {
    let status = encode::read_status(state)?;
    let host_keys = host_keys::kept(&spec, &status, private);
    let wanted = Wanted { uid: Some(status.id), ..Wanted::new(spec) };
    Ok(wanted.with_ca(status.ca_certificate).with_host_keys(host_keys))
}
