//! `data "kubeone_cluster_status"`: how a cluster is, told without ever failing because of the cluster.

use async_trait::async_trait;
use kubeone_engine::look_after;
use kubeone_spec::{ClusterHealth, ClusterStatusSpec, validate_cluster_status};
use tfplugin::{
    DataSource, Deferred, Diagnostic, Diagnostics, ReadDataRequest, ReadDataResponse, Schema, ValidateRequest,
};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::from_findings;
use crate::encode::encode;
use crate::model::CLUSTER_STATUS;

pub(crate) struct ClusterStatusDataSource {
    connection: Connection,
}

impl ClusterStatusDataSource {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

#[async_trait]
impl DataSource for ClusterStatusDataSource {
    fn type_name(&self) -> &'static str {
        "kubeone_cluster_status"
    }

    fn schema(&self) -> Schema {
        CLUSTER_STATUS.schema().clone()
    }

    async fn validate(&self, request: ValidateRequest) -> Diagnostics {
        match decode::<ClusterStatusSpec>(&CLUSTER_STATUS, &request.config) {
            Ok(decoded) => from_findings(decoded.keep_certain(validate_cluster_status(&decoded.settings))),
            Err(diagnostic) => diagnostic.into(),
        }
    }

    async fn read(&self, request: ReadDataRequest) -> ReadDataResponse {
        read(&self.connection, request).await.unwrap_or_else(|diagnostic| Diagnostics::from(diagnostic).into())
    }
}

async fn read(connection: &Connection, request: ReadDataRequest) -> Result<ReadDataResponse, Diagnostic> {
    let query = decode::<ClusterStatusSpec>(&CLUSTER_STATUS, &request.config)?;
    if !query.unknown.is_empty() {
        let deferred = Some(Deferred::ResourceConfigUnknown);
        return Ok(ReadDataResponse { deferred, ..ReadDataResponse::default() });
    }
    let health = look(connection, &query.settings, &request).await?;
    let mut state = request.config;
    for (name, value) in encode(&health)?.as_map().into_iter().flatten() {
        state.set(&name.as_str().into(), value.clone());
    }
    Ok(state.into())
}

async fn look(
    connection: &Connection,
    query: &ClusterStatusSpec,
    request: &ReadDataRequest,
) -> Result<ClusterHealth, Diagnostic> {
    let Some(hosts) = connection.hosts_of(&query.cluster, None)? else {
        return Ok(not_seen("values in the block `provider \"kubeone\"` are known only after apply".to_owned()));
    };
    let work = timeout(query.timeout.0, look_after(query, &hosts));
    Ok(match request.context.cancel.run_until_cancelled(work).await {
        Some(Ok(health)) => health,
        Some(Err(_)) => not_seen(format!("the look at the cluster took longer than {}", query.timeout)),
        None => not_seen("the look at the cluster was interrupted".to_owned()),
    })
}

fn not_seen(reason: String) -> ClusterHealth {
    ClusterHealth { reasons: vec![reason], ..ClusterHealth::default() }
}
