//! Actions: things to do that are no resource. Terraform 1.14 and later.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{CallContext, Deferred};
use crate::{Diagnostics, Schema, ValidateRequest, Value};

pub struct PlanActionRequest {
    pub config: Value,
    pub context: CallContext,
}

#[derive(Default)]
pub struct PlanActionResponse {
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

impl From<Diagnostics> for PlanActionResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

pub struct InvokeActionRequest {
    pub config: Value,
    /// Lines for the user, shown as they come.
    pub progress: Progress,
    pub context: CallContext,
}

/// Where a running action reports to.
#[derive(Clone, Debug)]
pub struct Progress {
    messages: mpsc::UnboundedSender<String>,
}

impl Progress {
    pub(crate) fn new(messages: mpsc::UnboundedSender<String>) -> Self {
        Self { messages }
    }

    /// A client that stopped listening does not stop the action.
    pub fn report(&self, message: impl Into<String>) {
        self.messages.send(message.into()).ok();
    }
}

#[async_trait]
pub trait Action: Send + Sync + 'static {
    fn type_name(&self) -> &str;

    fn schema(&self) -> Schema;

    async fn validate(&self, _request: ValidateRequest) -> Diagnostics {
        Diagnostics::new()
    }

    async fn plan(&self, _request: PlanActionRequest) -> PlanActionResponse {
        PlanActionResponse::default()
    }

    async fn invoke(&self, request: InvokeActionRequest) -> Diagnostics;
}
