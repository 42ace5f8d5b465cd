//! Destroy: bring the hosts back to where they were before the cluster.

use kubeone_engine::{Cx, Hosts, Wanted, check_removal, execute, observe, plan_removal};
use kubeone_spec::ClusterSpec;
use tfplugin::{ApplyRequest, ApplyResponse, CancellationToken, Diagnostics};

use super::operation::Operation;
use super::plan;
use crate::cluster_lock::ClusterLocks;
use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::from_findings;
use crate::encode;
use crate::model::CLUSTER;

pub(super) async fn remove(connection: &Connection, locks: &ClusterLocks, request: ApplyRequest) -> ApplyResponse {
    match tear_down(connection, locks, &request).await {
        Ok(diagnostics) => ApplyResponse { diagnostics, ..ApplyResponse::default() },
        Err(diagnostics) => request.failed(diagnostics),
    }
}

async fn tear_down(
    connection: &Connection,
    locks: &ClusterLocks,
    request: &ApplyRequest,
) -> Result<Diagnostics, Diagnostics> {
    let spec = decode::<ClusterSpec>(&CLUSTER, &request.prior_state)?.settings;
    // `terraform apply -replace` gets here without a plan for the destruction.
    plan::refuse_if_protected(&spec)?;
    let operation = Operation::delete(&spec);
    let wanted = Wanted::new(spec.clone());
    let hosts = connection.require_hosts(&wanted)?;
    let _lock = locks.lock(encode::endpoint(&spec.api_endpoint)).await;
    let cancel = request.context.cancel.child_token();
    let work = carry_out(&wanted, &hosts, &operation, cancel.clone());
    operation.run(&cancel, work).await
}

async fn carry_out(
    wanted: &Wanted,
    hosts: &Hosts,
    operation: &Operation<'_>,
    cancel: CancellationToken,
) -> Result<Diagnostics, Diagnostics> {
    let spec = &wanted.spec;
    let observed = observe(wanted, hosts).await;
    let plan = plan_removal(spec, &observed);
    let mut diagnostics = from_findings(check_removal(spec, &observed));
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let report =
        execute(&plan, &Cx::new(wanted, hosts, cancel), &|_| {}).await.map_err(|error| operation.failure(&error))?;
    tracing::info!("all steps are done:\n{report}");
    for warning in report.warnings() {
        diagnostics.warning(format!("cluster `{}`", spec.name), warning);
    }
    Ok(diagnostics)
}
