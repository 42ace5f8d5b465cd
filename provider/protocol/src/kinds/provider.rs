//! The provider itself: its configuration and the list of what it offers.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Action, CallContext, DataSource, EphemeralResource, Function, ListResource, Resource};
use crate::{Diagnostics, Schema, Value};

pub struct ValidateProviderRequest {
    /// The `provider` block. Parts may be unknown.
    pub config: Value,
    pub context: CallContext,
}

pub struct ConfigureRequest {
    /// The `provider` block. Parts may still be unknown during plan.
    pub config: Value,
    /// The version of Terraform or OpenTofu.
    pub terraform_version: String,
    pub context: CallContext,
}

/// A provider. Give the kinds it lists a shared place for what `configure` learns.
///
/// The lists and schemas are read once, when the process starts to serve. Keep them free of work.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The `provider` block.
    fn schema(&self) -> Schema {
        Schema::default()
    }

    /// The `provider_meta` block that modules may write.
    fn meta_schema(&self) -> Option<Schema> {
        None
    }

    async fn validate(&self, _request: ValidateProviderRequest) -> Diagnostics {
        Diagnostics::new()
    }

    /// Called before anything that may touch the world. In debug mode one process is configured many times.
    async fn configure(&self, _request: ConfigureRequest) -> Diagnostics {
        Diagnostics::new()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        Vec::new()
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        Vec::new()
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        Vec::new()
    }

    fn functions(&self) -> Vec<Arc<dyn Function>> {
        Vec::new()
    }

    fn actions(&self) -> Vec<Arc<dyn Action>> {
        Vec::new()
    }

    fn list_resources(&self) -> Vec<Arc<dyn ListResource>> {
        Vec::new()
    }
}
