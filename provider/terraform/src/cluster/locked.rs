//! Work on a cluster while nobody else works on it.

use kubeone_engine::{Held, Hosts, Lock, LockError};
use kubeone_plan::Wanted;
use kubeone_spec::Span;
use tfplugin::{CancellationToken, Diagnostic, Diagnostics};

use super::holder;
use super::operation::Operation;
use crate::diagnostics::chain;

/// Takes the lock of the cluster, does the work and gives the lock back.
pub(super) async fn locked<T>(
    user: Option<&str>,
    wanted: &Wanted,
    hosts: &Hosts,
    operation: &Operation<'_>,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, Diagnostics>>,
) -> Result<T, Diagnostics> {
    let me = holder::this(user, operation.name());
    let patience = wanted.spec.timeouts.lock;
    let lock = Lock::acquire(wanted, hosts, &me, patience.0, cancel, &holder::is_dead).await;
    let lock = lock.map_err(|error| refusal(&error, operation, patience))?;
    let (result, lost) = lock.hold(cancel, work).await;
    lock.release().await;
    match (result, lost) {
        (Err(mut diagnostics), Some(held)) => {
            diagnostics.push(taken_away(&held, operation));
            Err(diagnostics)
        }
        (result, _) => result,
    }
}

fn refusal(error: &LockError, operation: &Operation<'_>, patience: Span) -> Diagnostic {
    let detail = match error {
        LockError::Held(held) => format!(
            "{}. It was waited for as long as `timeouts.lock` says ({patience}), and nothing was changed.\n\n\
             Apply again when the other one has ended. If it was killed, its lock is void one minute after its last sign of \
             life; nothing has to be removed by hand.",
            description(held)
        ),
        LockError::Cancelled => {
            "Interrupted while another apply on this cluster was waited for. Nothing was changed.".to_owned()
        }
        LockError::Host(error) => chain(error),
    };
    Diagnostic::error(operation.summary(), detail)
}

fn taken_away(held: &Held, operation: &Operation<'_>) -> Diagnostic {
    let detail = format!(
        "Another apply took the lock of this cluster on most of the control planes that answer, because they restarted, or did \
         not hear of this one for more than a minute. {}. This one stopped after the steps it had begun. Apply again when the \
         other one has ended.",
        description(held)
    );
    Diagnostic::error(operation.summary(), detail)
}

fn description(held: &Held) -> String {
    format!(
        "{} works on this cluster for {} now, and was last heard of {} s ago on {}",
        held.who,
        Span(held.held.max(std::time::Duration::from_secs(1))),
        held.silent.as_secs(),
        held.host
    )
}
