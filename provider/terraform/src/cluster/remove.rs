//! Destroy: bring the hosts back to where they were before the cluster.

use kubeone_engine::{Cx, Hosts, execute, observe};
use kubeone_plan::{Plan, Wanted, check_removal, plan_removal};
use kubeone_spec::ClusterSpec;
use tfplugin::{ApplyRequest, ApplyResponse, CancellationToken, Diagnostics};

use super::locked::locked;
use super::operation::Operation;
use super::{ClusterResource, known, plan};
use crate::decode::decode;
use crate::diagnostics::from_findings;
use crate::model::CLUSTER;
use crate::progress::{Progress, Watch};

pub(super) async fn remove(resource: &ClusterResource, request: ApplyRequest) -> ApplyResponse {
    match tear_down(resource, &request).await {
        Ok(diagnostics) => ApplyResponse { diagnostics, ..ApplyResponse::default() },
        Err(diagnostics) => request.failed(diagnostics),
    }
}

async fn tear_down(resource: &ClusterResource, request: &ApplyRequest) -> Result<Diagnostics, Diagnostics> {
    let spec = decode::<ClusterSpec>(&CLUSTER, &request.prior_state)?.settings;
    // `terraform apply -replace` gets here without a plan for the destruction.
    plan::refuse_if_protected(&spec)?;
    let operation = Operation::delete(&spec);
    let wanted = known(spec.clone(), &request.prior_state, &request.planned_private)?;
    let hosts = resource.connection.require_hosts(&wanted)?;
    let cancel = request.context.cancel.child_token();
    let work = carry_out(&wanted, &hosts, &operation, &resource.progress, cancel.clone());
    let work = locked(resource.user.as_deref(), &wanted, &hosts, &operation, &cancel, work);
    operation.run(&cancel, work).await
}

async fn carry_out(
    wanted: &Wanted,
    hosts: &Hosts,
    operation: &Operation<'_>,
    progress: &Progress,
    cancel: CancellationToken,
) -> Result<Diagnostics, Diagnostics> {
    let observed = observe(wanted, hosts).await;
    let plan = plan_removal(wanted, &observed);
    let diagnostics = from_findings(check_removal(wanted, &observed));
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let watch = progress.begin(operation.name(), wanted, &observed, &plan, &diagnostics);
    let cx = Cx::new(wanted, hosts, cancel.clone());
    let mut result = follow(&plan, &cx, operation, &watch, diagnostics).await;
    watch.end(cancel.is_cancelled(), result.as_mut().unwrap_or_else(|diagnostics| diagnostics));
    result
}

async fn follow(
    plan: &Plan,
    cx: &Cx<'_>,
    operation: &Operation<'_>,
    watch: &Watch,
    mut diagnostics: Diagnostics,
) -> Result<Diagnostics, Diagnostics> {
    let report = execute(plan, cx, &|event| watch.hear(event)).await.map_err(|error| operation.failure(&error))?;
    tracing::info!("all steps are done:\n{report}");
    for warning in report.warnings() {
        diagnostics.warning(format!("cluster `{}`", cx.wanted.spec.name), warning);
    }
    Ok(diagnostics)
}
