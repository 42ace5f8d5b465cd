//! Ephemeral resources: values that exist during one run and are never stored.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{CallContext, Deferred};
use crate::{Diagnostics, Schema, Value};

pub struct ValidateEphemeralRequest {
    pub config: Value,
    pub context: CallContext,
}

pub struct OpenRequest {
    pub config: Value,
    pub context: CallContext,
}

#[derive(Default)]
pub struct OpenResponse {
    pub result: Value,
    /// Handed to `renew` and `close`.
    pub private: Vec<u8>,
    /// When Terraform should call `renew`; `None` means never.
    pub renew_at: Option<SystemTime>,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

impl From<Diagnostics> for OpenResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

pub struct RenewRequest {
    pub private: Vec<u8>,
    pub context: CallContext,
}

#[derive(Default)]
pub struct RenewResponse {
    pub private: Vec<u8>,
    pub renew_at: Option<SystemTime>,
    pub diagnostics: Diagnostics,
}

impl From<Diagnostics> for RenewResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

pub struct CloseRequest {
    pub private: Vec<u8>,
    pub context: CallContext,
}

#[async_trait]
pub trait EphemeralResource: Send + Sync + 'static {
    fn type_name(&self) -> &str;

    fn schema(&self) -> Schema;

    async fn validate(&self, _request: ValidateEphemeralRequest) -> Diagnostics {
        Diagnostics::new()
    }

    /// Called once in plan and again in apply.
    async fn open(&self, request: OpenRequest) -> OpenResponse;

    async fn renew(&self, request: RenewRequest) -> RenewResponse {
        RenewResponse { private: request.private, ..RenewResponse::default() }
    }

    async fn close(&self, _request: CloseRequest) -> Diagnostics {
        Diagnostics::new()
    }
}
