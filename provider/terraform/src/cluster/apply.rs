//! Create and update: one procedure, because both bring the hosts to where the settings want them.

use kubeone_engine::{Cx, Hosts, Observed, Wanted, check, execute, observe, plan_create_or_update};
use kubeone_spec::{ClusterSpec, ClusterStatus};
use tfplugin::{ApplyRequest, ApplyResponse, CancellationToken, Diagnostic, Diagnostics};

use super::operation::Operation;
use crate::cluster_lock::ClusterLocks;
use crate::connection::Connection;
use crate::decode::decode;
use crate::diagnostics::from_findings;
use crate::model::CLUSTER;
use crate::{encode, private};

pub(super) async fn apply(connection: &Connection, locks: &ClusterLocks, request: ApplyRequest) -> ApplyResponse {
    match converge(connection, locks, &request).await {
        Ok(response) => response,
        // After a failed create this is null: the cluster stays out of the state and is not tainted, so that the next
        // apply goes on instead of destroying what is there. After a failed update it is all of the prior state, so
        // that the next plan shows the change again.
        Err(diagnostics) => request.failed(diagnostics),
    }
}

async fn converge(
    connection: &Connection,
    locks: &ClusterLocks,
    request: &ApplyRequest,
) -> Result<ApplyResponse, Diagnostics> {
    let spec = decode::<ClusterSpec>(&CLUSTER, &request.planned_state)?.settings;
    let is_create = request.prior_state.is_null();
    let operation = if is_create { Operation::create(&spec) } else { Operation::update(&spec) };
    let wanted = wanted(request, spec.clone())?;
    let hosts = connection.require_hosts(&wanted)?;
    let _lock = locks.lock(encode::endpoint(&spec.api_endpoint)).await;
    let cancel = request.context.cancel.child_token();
    let work = carry_out(&wanted, &hosts, &operation, cancel.clone());
    let done = operation.run(&cancel, work).await?;

    let prior = if is_create { ClusterStatus::default() } else { encode::read_status(&request.prior_state)? };
    let mut status = encode::status(&spec, &done.observed, &prior);
    status.planned_steps = done.steps;
    let mut state = request.planned_state.clone();
    encode::fill_unknown(&mut state, &status)?;
    let private = private::encode(&done.observed)?;
    Ok(ApplyResponse { state, private, diagnostics: done.diagnostics, ..ApplyResponse::default() })
}

/// What is wanted, seen from the state before.
fn wanted(request: &ApplyRequest, spec: ClusterSpec) -> Result<Wanted, Diagnostics> {
    if request.prior_state.is_null() {
        return Ok(Wanted::new(spec));
    }
    let prior = decode::<ClusterSpec>(&CLUSTER, &request.prior_state)?.settings;
    Ok(Wanted::after(&prior, Some(encode::read_status(&request.prior_state)?.id), spec))
}

/// What came of a run that reached its end.
struct Done {
    observed: Observed,
    steps: Vec<String>,
    diagnostics: Diagnostics,
}

async fn carry_out(
    wanted: &Wanted,
    hosts: &Hosts,
    operation: &Operation<'_>,
    cancel: CancellationToken,
) -> Result<Done, Diagnostics> {
    let spec = &wanted.spec;
    let observed = observe(wanted, hosts).await;
    let plan = plan_create_or_update(wanted, &observed);
    let mut diagnostics = from_findings(check(wanted, &plan, &observed));
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let cx = Cx::new(wanted, hosts, cancel);
    let report = execute(&plan, &cx, &|_| {}).await.map_err(|error| operation.failure(&error))?;
    tracing::info!("all steps are done:\n{report}");
    for warning in report.warnings() {
        diagnostics.warning(format!("cluster `{}`", spec.name), warning);
    }
    let observed = observe(wanted, hosts).await;
    if observed.api_facts().is_none() {
        diagnostics.push(operation.silent_api(&observed));
        return Err(diagnostics);
    }
    let remaining = plan_create_or_update(wanted, &observed).lines();
    if !remaining.is_empty() {
        diagnostics.push(Diagnostic::warning(
            format!("cluster `{}` is not quite as it should be", spec.name),
            format!("The next plan will show these steps:\n{}", remaining.join("\n")),
        ));
    }
    Ok(Done { observed, steps: plan.lines(), diagnostics })
}
