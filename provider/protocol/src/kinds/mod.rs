//! What a provider can offer, one trait per Terraform kind.

mod action;
mod data_source;
mod ephemeral;
mod function;
mod list;
mod provider;
mod resource;

use tokio_util::sync::CancellationToken;

pub use action::{Action, InvokeActionRequest, PlanActionRequest, PlanActionResponse, Progress};
pub use data_source::{DataSource, ReadDataRequest, ReadDataResponse};
pub use ephemeral::{
    CloseRequest, EphemeralResource, OpenRequest, OpenResponse, RenewRequest, RenewResponse, ValidateEphemeralRequest,
};
pub use function::{Function, FunctionError, FunctionSignature, Parameter};
pub use list::{ListEvent, ListRequest, ListResource, ListSink, ValidateListRequest};
pub use provider::{ConfigureRequest, Provider, ValidateProviderRequest};
pub use resource::{
    ApplyRequest, ApplyResponse, GenerateConfigRequest, ImportRequest, ImportResponse, ImportTarget, ImportedResource,
    MoveRequest, MoveResponse, PlanRequest, PlanResponse, ReadRequest, ReadResponse, Resource, StoredValue,
    UpgradeIdentityRequest, UpgradeStateRequest, ValidateRequest,
};

/// What the Terraform or OpenTofu at the other end can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    pub deferral_allowed: bool,
    pub write_only_attributes_allowed: bool,
    pub store_planned_private: bool,
    pub computed_blocks_allowed: bool,
}

/// Why a change is put off to a later run. Only for clients with `deferral_allowed`; for others it becomes an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferred {
    Unknown,
    ResourceConfigUnknown,
    ProviderConfigUnknown,
    AbsentPrerequisite,
}

/// What every request to the provider carries besides its own data.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// Fires when the user presses Ctrl-C. Finish the step at hand, then answer.
    pub cancel: CancellationToken,
    pub client_capabilities: ClientCapabilities,
}
