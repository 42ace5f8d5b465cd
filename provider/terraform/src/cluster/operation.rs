//! A change to a cluster as its user sees it: its name, its deadline and what is said when it fails.

use std::time::Duration;

use kubeone_engine::ExecuteError;
use kubeone_facts::{ApiState, Observed};
use kubeone_spec::{ClusterSpec, Span};
use tfplugin::{CancellationToken, Diagnostic, Diagnostics};
use tokio::time::{Instant, timeout, timeout_at};

/// After its deadline an operation may finish the commands it has begun on the hosts, so that it can tell what it did.
const GRACE: Duration = Duration::from_mins(1);

pub(super) struct Operation<'a> {
    cluster: &'a str,
    /// What did not happen when it fails: `created`.
    participle: &'static str,
    /// Its name, and that of the attribute of `timeouts` that says how long it may take.
    name: &'static str,
    span: Span,
}

impl<'a> Operation<'a> {
    pub(super) fn create(spec: &'a ClusterSpec) -> Self {
        Self { cluster: &spec.name, participle: "created", name: "create", span: spec.timeouts.create }
    }

    pub(super) fn update(spec: &'a ClusterSpec) -> Self {
        Self { cluster: &spec.name, participle: "updated", name: "update", span: spec.timeouts.update }
    }

    pub(super) fn delete(spec: &'a ClusterSpec) -> Self {
        Self { cluster: &spec.name, participle: "destroyed", name: "delete", span: spec.timeouts.delete }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Lets work run until its time is over. Then it is cancelled, and dropped if it does not come to an end even so:
    /// long steps live on the hosts, not in this process, and the next run finds them there.
    pub(super) async fn run<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T, Diagnostics>>,
    ) -> Result<T, Diagnostics> {
        let mut work = std::pin::pin!(work);
        if let Ok(result) = timeout_at(Instant::now() + self.span.0, &mut work).await {
            return result;
        }
        cancel.cancel();
        let result = timeout(GRACE, work).await.unwrap_or_else(|_| Err(Diagnostics::new()));
        result.map_err(|mut diagnostics| {
            diagnostics.push(self.out_of_time());
            diagnostics
        })
    }

    pub(super) fn failure(&self, error: &ExecuteError) -> Diagnostic {
        let headline = if error.is_cancelled() {
            format!("Interrupted in stage {} of {} (`{}`)", error.stage, error.stages, error.title)
        } else {
            format!("Failed in {error}")
        };
        Diagnostic::error(self.summary(), format!("{headline}.\n\n{}", error.detail()))
    }

    /// All steps are done, and yet the API does not answer.
    pub(super) fn silent_api(&self, observed: &Observed) -> Diagnostic {
        let reason = match &observed.api {
            ApiState::Silent { reason } => format!(": {reason}"),
            ApiState::Absent | ApiState::Answered(_) => ".".to_owned(),
        };
        let detail = format!(
            "All steps are done, but the Kubernetes API does not answer{reason}\n\nThe next apply looks again and goes on \
             from there."
        );
        Diagnostic::error(self.summary(), detail)
    }

    fn out_of_time(&self) -> Diagnostic {
        let detail = format!(
            "It took longer than {}. Give it more time with `timeouts.{}` if it needs it. The next apply looks at all hosts \
             again, leaves alone what is done, and goes on from there.",
            self.span, self.name
        );
        Diagnostic::error(self.summary(), detail)
    }

    pub(super) fn summary(&self) -> String {
        format!("cluster `{}` was not {}", self.cluster, self.participle)
    }
}

#[cfg(test)]
mod tests;
