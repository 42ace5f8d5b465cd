//! Data sources: `data "…" "…" { … }`.

use async_trait::async_trait;

use super::{CallContext, Deferred};
use crate::{Diagnostics, Schema, ValidateRequest, Value};

pub struct ReadDataRequest {
    /// Wholly known, unless the client allows deferral.
    pub config: Value,
    pub provider_meta: Value,
    pub context: CallContext,
}

#[derive(Default)]
pub struct ReadDataResponse {
    pub state: Value,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

impl From<Value> for ReadDataResponse {
    fn from(state: Value) -> Self {
        Self { state, ..Self::default() }
    }
}

impl From<Diagnostics> for ReadDataResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// With the provider's prefix, for example `example_versions`.
    fn type_name(&self) -> &str;

    fn schema(&self) -> Schema;

    async fn validate(&self, _request: ValidateRequest) -> Diagnostics {
        Diagnostics::new()
    }

    async fn read(&self, request: ReadDataRequest) -> ReadDataResponse;
}
