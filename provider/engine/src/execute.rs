//! Carries a plan out: stages one after the other, lanes side by side. The `match` in [`run`] is the table of contents
//! of everything that can be done to a cluster.

use std::time::Instant;

use futures::future::join_all;
use kubeone_plan::plan::{Action, Lane, Plan};
use tokio_util::sync::CancellationToken;

use crate::cx::Cx;
use crate::error::StepError;
use crate::failure::{ActionFailure, ExecuteError};
use crate::report::{ActionReport, Event, Outcome, Report, Result as ActionResult};
use crate::steps;

async fn run(action: &Action, cx: &Cx<'_>) -> Result<Outcome, StepError> {
    match action {
        Action::PrepareHost { host, role, kubernetes_version, .. } => {
            steps::prepare_host::run(cx, host, *role, *kubernetes_version).await
        }
        Action::InitControlPlane { host, kubernetes_version, restore, .. } => {
            steps::init_control_plane::run(cx, host, *kubernetes_version, restore.is_some()).await
        }
        Action::AdoptHost { host } => steps::adopt_host::run(cx, host).await,
        Action::RewriteMarker { host, .. } => steps::rewrite_marker::run(cx, host).await,
        Action::JoinControlPlane { host, .. } => steps::join_control_plane::run(cx, host).await,
        Action::JoinWorker { host, .. } => steps::join_worker::run(cx, host).await,
        Action::ApplyAddon { addon, .. } => steps::apply_addon::run(cx, addon).await,
        Action::RepairCluster { kubernetes_version, missing } => {
            steps::repair_cluster::run(cx, *kubernetes_version, missing).await
        }
        Action::AwaitNodes { hosts } => steps::await_nodes::run(cx, hosts).await,
        Action::TakeSnapshot { host, cause } => steps::take_snapshot::run(cx, host, cause).await,
        Action::CopySnapshots { host, .. } => steps::copy_snapshots::run(cx, host).await,
        Action::PrepareRestore { host, what, .. } => steps::prepare_restore::run(cx, host, what).await,
        Action::StopControlPlane { host, what } => steps::stop_control_plane::run(cx, host, what).await,
        Action::RestoreEtcd { host, what } => steps::restore_etcd::run(cx, host, what).await,
        Action::RepairNode { host, role, what } => steps::repair_node::run(cx, host, *role, what).await,
        Action::ConfigureNode { host, role, what } => steps::configure_node::run(cx, host, *role, what).await,
        Action::ConfigureControlPlane { host, .. } => steps::configure_control_plane::run(cx, host).await,
        Action::AwaitApi => steps::await_api::run(cx).await,
        Action::RenewCertificates { host, .. } => steps::renew_certificates::run(cx, host).await,
        Action::RemoveNode { host, role, .. } => steps::remove_node::run(cx, host, *role).await,
        Action::PreflightUpgrade { .. } => steps::preflight_upgrade::run(cx).await,
        Action::FetchUpgrade { host, role, kubernetes_version } => {
            steps::fetch_upgrade::run(cx, host, *role, *kubernetes_version).await
        }
        Action::UpgradeControlPlane { host, kubernetes_version } => {
            steps::upgrade_control_plane::run(cx, host, *kubernetes_version).await
        }
        Action::UpgradeWorker { host, kubernetes_version } => {
            steps::upgrade_worker::run(cx, host, *kubernetes_version).await
        }
        Action::UpgradeContainerd { host, to, .. } => steps::upgrade_containerd::run(cx, host, *to).await,
        Action::UpgradeKubeadmAddons { host, .. } => steps::upgrade_kubeadm_addons::run(cx, host).await,
        Action::UncordonNode { host } => steps::uncordon_node::run(cx, host).await,
        Action::ResetHost { host, role, ca, .. } => steps::reset_host::run(cx, host, *role, ca.as_deref()).await,
    }
}

/// Somebody who watches the run.
type Listener<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);

/// Does what the plan says. When an action fails, or the run is cancelled, the other lanes of its stage come to the
/// end of what they are doing, and no further stage begins.
pub async fn execute(plan: &Plan, cx: &Cx<'_>, listener: Listener<'_>) -> Result<Report, ExecuteError> {
    carry_out(plan, &cx.cancel, listener, |action| run(action, cx)).await
}

async fn carry_out<'a, F>(
    plan: &'a Plan,
    cancel: &CancellationToken,
    listener: Listener<'_>,
    run: impl Fn(&'a Action) -> F,
) -> Result<Report, ExecuteError>
where
    F: Future<Output = Result<Outcome, StepError>>,
{
    let began = Instant::now();
    let mut report = Report::default();
    let mut number_of_next = 1;
    for (position, stage) in plan.stages.iter().enumerate() {
        let (number, of, title) = (position + 1, plan.stages.len(), stage.title.as_str());
        tracing::info!(stage = number, of, title, "stage begins");
        listener(Event::StageBegan { number, of, title });
        let course = Course { stage: position, began, cancel, listener };
        let mut failures = Vec::new();
        let mut stopped = false;
        let lanes = stage.lanes.iter().map(|lane| {
            let first = number_of_next;
            number_of_next += lane.len();
            run_lane(first, lane, &course, &run)
        });
        for end in join_all(lanes).await {
            report.actions.extend(end.actions);
            failures.extend(end.failure);
            stopped |= end.stopped;
        }
        report.actions.sort_by_key(|entry| (entry.stage, entry.ended));
        if stopped || !failures.is_empty() {
            let (title, not_begun) = (title.to_owned(), report.not_begun(plan));
            return Err(ExecuteError { stage: number, stages: of, title, failures, report, not_begun });
        }
    }
    Ok(report)
}

/// What the lanes of a stage have in common.
struct Course<'a> {
    stage: usize,
    began: Instant,
    cancel: &'a CancellationToken,
    listener: Listener<'a>,
}

/// What came of one lane.
#[derive(Default)]
struct LaneEnd {
    actions: Vec<ActionReport>,
    failure: Option<ActionFailure>,
    /// It was cancelled before its last action began.
    stopped: bool,
}

/// `first` is the number of the lane's first action in the plan.
async fn run_lane<'a, F>(first: usize, lane: &'a Lane, course: &Course<'_>, run: &impl Fn(&'a Action) -> F) -> LaneEnd
where
    F: Future<Output = Result<Outcome, StepError>>,
{
    let mut end = LaneEnd::default();
    for (number, action) in (first..).zip(lane) {
        if course.cancel.is_cancelled() {
            end.stopped = true;
            break;
        }
        tracing::info!(%action, "action begins");
        (course.listener)(Event::ActionBegan { number, action });
        let began = course.began.elapsed();
        let (result, failure) = match run(action).await {
            Ok(outcome) => (ActionResult::Ended(outcome), None),
            Err(source) => (ActionResult::Failed, Some(ActionFailure { action: action.clone(), source })),
        };
        let ended = course.began.elapsed();
        let seconds = ended.saturating_sub(began).as_secs_f64();
        match &result {
            ActionResult::Ended(outcome) => tracing::info!(%action, seconds, %outcome, "action ended"),
            ActionResult::Failed => tracing::error!(%action, seconds, "action failed"),
        }
        let report = ActionReport { action: action.clone(), stage: course.stage, began, ended, result };
        let error = failure.as_ref().map(|failure| &failure.source);
        (course.listener)(Event::ActionEnded { number, report: &report, error });
        end.actions.push(report);
        if failure.is_some() {
            end.failure = failure;
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests;
