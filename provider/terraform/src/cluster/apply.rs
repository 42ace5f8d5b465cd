//! Create and update: one procedure, because both bring the hosts to where the settings want them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kubeone_engine::{Cx, Event, Hosts, execute, observe};
use kubeone_facts::Observed;
use kubeone_plan::{OnNode, Plan, Wanted, check, plan_create_or_update};
use kubeone_spec::{ClusterSpec, ClusterStatus, Finding, Severity};
use tfplugin::{ApplyRequest, ApplyResponse, CancellationToken, Diagnostic, Diagnostics};

use super::approval::Approval;
use super::locked::locked;
use super::operation::Operation;
use super::{ClusterResource, known, told};
use crate::decode::{decode, decode_planned};
use crate::diagnostics::from_findings;
use crate::kubeconfig::in_state;
use crate::model::CLUSTER;
use crate::progress::Watch;
use crate::{encode, host_keys, private};

pub(super) async fn apply(resource: &ClusterResource, request: ApplyRequest) -> ApplyResponse {
    let joined = Joined::default();
    match Box::pin(converge(resource, &request, &joined)).await {
        Ok(response) => response,
        Err(diagnostics) => told::failed(request, diagnostics, &joined.hosts()),
    }
}

/// The machines that have begun to join the cluster, and their SSH host keys.
#[derive(Default)]
struct Joined(Mutex<BTreeMap<String, Option<String>>>);

impl Joined {
    fn hear(&self, event: &Event<'_>, hosts: &Hosts) {
        if let Event::ActionBegan { action, .. } = event
            && action.effects().node == OnNode::Joins
            && let Some(host) = action.host()
        {
            let key = hosts.wanted.get(host).and_then(|host| host.host_key());
            self.lock().insert(host.to_owned(), key);
        }
    }

    fn hosts(&self) -> BTreeMap<String, Option<String>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn converge(
    resource: &ClusterResource,
    request: &ApplyRequest,
    joined: &Joined,
) -> Result<ApplyResponse, Diagnostics> {
    let spec = decode_planned::<ClusterSpec>(&CLUSTER, &request.planned_state, &request.config)?.settings;
    let is_create = request.prior_state.is_null();
    let operation = if is_create { Operation::create(&spec) } else { Operation::update(&spec) };
    let wanted = resource.connection.acquaint(wanted(request, spec.clone())?);
    let hosts = resource.connection.require_hosts(&wanted)?;
    let cancel = request.context.cancel.child_token();
    let planned = Planned {
        shown: shown_at_plan(&request.planned_private, &wanted),
        approval: Approval::of(request),
        prior: prior_to_leave(request)?,
        joined,
    };
    let work = carry_out(&wanted, &hosts, &operation, resource, &planned, cancel.clone());
    let work = locked(resource.user.as_deref(), &wanted, &hosts, &operation, &cancel, work);
    let done = operation.run(&cancel, work).await?;

    let prior = if is_create { ClusterStatus::default() } else { encode::read_status(&request.prior_state)? };
    let prior = host_keys::without_leaving(prior, &wanted);
    let mut status = encode::status(&spec, &done.observed, &prior);
    status.planned_steps = done.steps;
    let mut state = request.planned_state.clone();
    in_state::fill(&state, &spec, &hosts, &mut status, &cancel).await?;
    encode::fill_unknown(&mut state, &status)?;
    let private = private::encode(&done.observed)?;
    Ok(ApplyResponse { state, private, diagnostics: done.diagnostics, ..ApplyResponse::default() })
}

/// What the plan said and Terraform asks for now.
struct Planned<'a> {
    /// What the user was told.
    shown: Vec<Finding>,
    approval: Approval,
    /// The settings before, where the plan has nothing done: then the cluster can be left as it is.
    prior: Option<ClusterSpec>,
    /// To be told of what was begun.
    joined: &'a Joined,
}

fn prior_to_leave(request: &ApplyRequest) -> Result<Option<ClusterSpec>, Diagnostic> {
    let nothing = told::promises_nothing(&request.prior_state, &request.planned_state);
    if !nothing || private::is_imported(&request.planned_private) {
        return Ok(None);
    }
    Ok(Some(decode(&CLUSTER, &request.prior_state)?.settings))
}

/// What is wanted, seen from the state before.
fn wanted(request: &ApplyRequest, spec: ClusterSpec) -> Result<Wanted, Diagnostics> {
    if request.prior_state.is_null() {
        return Ok(Wanted::new(spec));
    }
    let prior = decode::<ClusterSpec>(&CLUSTER, &request.prior_state)?.settings;
    let Wanted { spec: prior, uid, ca_certificate, host_keys, .. } =
        known(prior, &request.prior_state, &request.planned_private)?;
    let is_imported = private::is_imported(&request.planned_private);
    let wanted = if is_imported { Wanted::after_import(&prior, uid, spec) } else { Wanted::after(&prior, uid, spec) };
    Ok(Wanted { ca_certificate, ..wanted }.with_host_keys(host_keys))
}

/// What the plan has told the user already. Before a cluster is made nothing was seen, so there was nothing to tell.
fn shown_at_plan(private: &[u8], wanted: &Wanted) -> Vec<Finding> {
    let Some(observed) = private::decode(private) else { return Vec::new() };
    let observed = wanted.view(observed);
    check(wanted, &plan_create_or_update(wanted, &observed), &observed)
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
    resource: &ClusterResource,
    planned: &Planned<'_>,
    cancel: CancellationToken,
) -> Result<Done, Diagnostics> {
    let observed = observe(wanted, hosts).await;
    let plan = plan_create_or_update(wanted, &observed);
    let mut findings = check(wanted, &plan, &observed);
    findings.extend(planned.approval.refuses(wanted, &plan));
    findings.retain(|finding| finding.severity == Severity::Error || !planned.shown.contains(finding));
    if planned.prior.as_ref().is_some_and(|prior| told::is_only_told(prior, &wanted.spec, &findings)) {
        told::only_tell(&mut findings);
        return Ok(Done { observed, steps: Vec::new(), diagnostics: from_findings(findings) });
    }
    let diagnostics = from_findings(findings);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let watch = resource.progress.begin(operation.name(), wanted, &observed, &plan, &diagnostics);
    let cx = Cx::new(wanted, hosts, cancel.clone()).with_local(resource.local.machine()).after(&observed);
    let mut result = follow(&plan, &cx, operation, &watch, planned.joined, diagnostics).await;
    let said = result.as_mut().map_or_else(|diagnostics| diagnostics, |done| &mut done.diagnostics);
    watch.end(cancel.is_cancelled(), said);
    result
}

/// Carries the plan out and looks at what came of it.
async fn follow(
    plan: &Plan,
    cx: &Cx<'_>,
    operation: &Operation<'_>,
    watch: &Watch,
    joined: &Joined,
    mut diagnostics: Diagnostics,
) -> Result<Done, Diagnostics> {
    let Cx { wanted, hosts, .. } = cx;
    let listener = |event: Event<'_>| {
        joined.hear(&event, hosts);
        watch.hear(event);
    };
    let report = execute(plan, cx, &listener).await.map_err(|error| operation.failure(&error))?;
    tracing::info!("all steps are done:\n{report}");
    for warning in report.warnings() {
        diagnostics.warning(format!("cluster `{}`", wanted.spec.name), warning);
    }
    let observed = observe(wanted, hosts).await;
    if observed.api_facts().is_none() {
        diagnostics.push(operation.silent_api(&observed));
        return Err(diagnostics);
    }
    let remaining = plan_create_or_update(wanted, &observed).lines();
    if !remaining.is_empty() {
        diagnostics.push(Diagnostic::warning(
            format!("cluster `{}` is not quite as it should be", wanted.spec.name),
            format!("The next plan will show these steps:\n{}", remaining.join("\n")),
        ));
    }
    Ok(Done { observed, steps: plan.lines(), diagnostics })
}
