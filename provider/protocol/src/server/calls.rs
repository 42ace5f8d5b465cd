//! Calls in progress: how they are cancelled, how long they live, and what becomes of their panics.

use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::panics;
use crate::{CallContext, ClientCapabilities, Diagnostics};

#[derive(Default)]
pub(super) struct Calls {
    session: Mutex<Session>,
    /// Work that goes on when Terraform drops the call, and that the process waits for before it ends.
    pub(super) detached: TaskTracker,
}

/// From one `configure` to the next; in debug mode a process lives through many.
#[derive(Clone, Default)]
struct Session {
    cancel: CancellationToken,
    client_capabilities: ClientCapabilities,
}

impl Calls {
    /// A new command begins: what was cancelled before is history.
    pub(super) fn begin_session(&self, client_capabilities: ClientCapabilities) {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.client_capabilities = client_capabilities;
        if session.cancel.is_cancelled() {
            session.cancel = CancellationToken::new();
        }
    }

    pub(super) fn cancel(&self) {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).cancel.cancel();
    }

    /// The capabilities of the request, or those of `configure` for requests that carry none.
    pub(super) fn context(&self, capabilities: Option<impl Into<ClientCapabilities>>) -> CallContext {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CallContext {
            cancel: session.cancel,
            client_capabilities: capabilities.map_or(session.client_capabilities, Into::into),
        }
    }

    /// Runs a handler to its end, even when Terraform hangs up meanwhile.
    ///
    /// The server drops the future of a call whose connection is gone. Work on remote machines must not stop in the middle
    /// of a step for that, so it lives in a task of its own.
    pub(super) async fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Diagnostics> {
        let work = async move { catch(work).await }.in_current_span();
        match self.detached.spawn(work).await {
            Ok(result) => result,
            Err(error) => Err(panics::diagnostic(&error.to_string()).into()),
        }
    }
}

/// Turns a panic into a message. A panic in a handler would otherwise close the connection and lose the state.
pub(super) async fn catch<T>(work: impl Future<Output = T>) -> Result<T, Diagnostics> {
    std::panic::AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|payload| panics::diagnostic(&panics::describe(payload.as_ref())).into())
}
