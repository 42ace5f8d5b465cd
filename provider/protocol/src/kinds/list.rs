//! List resources: what `terraform query` finds. Terraform 1.14 and later.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::CallContext;
use crate::{Diagnostics, Schema, Value};

pub struct ValidateListRequest {
    pub config: Value,
    pub include_resource: Value,
    pub limit: Value,
    pub context: CallContext,
}

pub struct ListRequest {
    pub config: Value,
    /// Whether events should carry the whole resource and not only its identity.
    pub include_resource: bool,
    /// Terraform stops reading after this many.
    pub limit: i64,
    pub results: ListSink,
    pub context: CallContext,
}

/// One thing that was found, or a message about the search.
#[derive(Default)]
pub struct ListEvent {
    pub identity: Value,
    pub display_name: String,
    pub resource: Option<Value>,
    pub diagnostics: Diagnostics,
}

impl From<Diagnostics> for ListEvent {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

/// Where a search puts what it finds.
#[derive(Clone, Debug)]
pub struct ListSink {
    events: mpsc::Sender<ListEvent>,
}

impl ListSink {
    pub(crate) fn new(events: mpsc::Sender<ListEvent>) -> Self {
        Self { events }
    }

    /// Answers whether anyone still listens. When not, stop searching.
    pub async fn send(&self, event: ListEvent) -> bool {
        self.events.send(event).await.is_ok()
    }
}

#[async_trait]
pub trait ListResource: Send + Sync + 'static {
    /// The name of a resource of the same provider that has an identity schema.
    fn type_name(&self) -> &str;

    /// What goes into the `config` block.
    fn schema(&self) -> Schema;

    async fn validate(&self, _request: ValidateListRequest) -> Diagnostics {
        Diagnostics::new()
    }

    async fn list(&self, request: ListRequest);
}
