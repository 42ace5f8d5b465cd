//! Managed resources: `resource "…" "…" { … }`.

use async_trait::async_trait;

use super::{CallContext, Deferred};
use crate::{AttributePath, Diagnostic, Diagnostics, IdentitySchema, Schema, Value, plan};

/// A configuration to check. Parts may be unknown; it is checked again when they are known.
pub struct ValidateRequest {
    pub config: Value,
    pub context: CallContext,
}

pub struct ReadRequest {
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
    pub provider_meta: Value,
    pub context: CallContext,
}

/// What the object looks like now.
#[derive(Default)]
pub struct ReadResponse {
    /// Null means: it is certainly gone. Terraform then plans to make it again.
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

impl ReadRequest {
    /// An answer that changes nothing, for instance because the object cannot be reached.
    pub fn unchanged(self, diagnostics: Diagnostics) -> ReadResponse {
        ReadResponse { state: self.state, private: self.private, identity: self.identity, diagnostics, deferred: None }
    }
}

/// `prior_state` is null for create, `proposed_state` and `config` are null for destroy.
pub struct PlanRequest {
    pub prior_state: Value,
    /// The configuration with the computed values of the prior state, as Terraform merges them.
    pub proposed_state: Value,
    pub config: Value,
    pub prior_private: Vec<u8>,
    /// What the first plan answered, for clients with `store_planned_private`.
    pub planned_private: Option<Vec<u8>>,
    pub prior_identity: Value,
    pub provider_meta: Value,
    pub context: CallContext,
}

#[derive(Default)]
pub struct PlanResponse {
    pub planned_state: Value,
    /// Attributes whose change needs a new object.
    pub requires_replace: Vec<AttributePath>,
    pub private: Vec<u8>,
    pub identity: Value,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

impl PlanRequest {
    pub fn is_create(&self) -> bool {
        self.prior_state.is_null()
    }

    pub fn is_destroy(&self) -> bool {
        self.proposed_state.is_null()
    }
}

impl From<Diagnostics> for PlanResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

/// `prior_state` is null for create, `planned_state` and `config` are null for delete.
pub struct ApplyRequest {
    pub prior_state: Value,
    pub planned_state: Value,
    /// The only place where write-only attributes have their values.
    pub config: Value,
    pub planned_private: Vec<u8>,
    pub planned_identity: Value,
    pub provider_meta: Value,
    pub context: CallContext,
}

/// What was achieved. With an error, Terraform stores `state` as it is and checks nothing.
#[derive(Default)]
pub struct ApplyResponse {
    /// Null after delete. After a failed create, null keeps the object out of the state and anything else taints it.
    /// After a failed update, give the prior values for all that is not done, or nobody will ever try again.
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
    pub diagnostics: Diagnostics,
}

impl ApplyRequest {
    /// A failure that leaves the object as it was before.
    pub fn failed(self, diagnostics: Diagnostics) -> ApplyResponse {
        ApplyResponse {
            state: self.prior_state,
            private: self.planned_private,
            identity: self.planned_identity,
            diagnostics,
        }
    }
}

/// What the user names in an import.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportTarget {
    Id(String),
    /// `import { identity = { … } }`.
    Identity(Value),
}

pub struct ImportRequest {
    pub target: ImportTarget,
    pub context: CallContext,
}

#[derive(Default)]
pub struct ImportResponse {
    pub resources: Vec<ImportedResource>,
    pub diagnostics: Diagnostics,
    pub deferred: Option<Deferred>,
}

/// The start of an imported state. Terraform calls `read` with it next.
#[derive(Default)]
pub struct ImportedResource {
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
}

impl From<Diagnostics> for ImportResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

impl From<ImportedResource> for ImportResponse {
    fn from(resource: ImportedResource) -> Self {
        Self { resources: vec![resource], ..Self::default() }
    }
}

pub struct UpgradeStateRequest {
    /// Version of the schema that the state was written with; older than the current one.
    pub version: i64,
    pub state: serde_json::Value,
}

pub struct UpgradeIdentityRequest {
    pub version: i64,
    pub identity: serde_json::Value,
}

/// A stored value in a schema of someone else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredValue {
    pub version: i64,
    pub value: serde_json::Value,
}

pub struct MoveRequest {
    /// For example `registry.terraform.io/example/other`.
    pub source_provider: String,
    pub source_type: String,
    pub source_state: StoredValue,
    pub source_private: Vec<u8>,
    pub source_identity: Option<StoredValue>,
}

#[derive(Default)]
pub struct MoveResponse {
    pub state: Value,
    pub private: Vec<u8>,
    pub identity: Value,
    pub diagnostics: Diagnostics,
}

impl From<Diagnostics> for MoveResponse {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..Self::default() }
    }
}

pub struct GenerateConfigRequest {
    pub state: Value,
}

/// A managed resource.
///
/// Implement `create`, `update` and `delete`, or `apply` alone when one procedure serves all three.
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// With the provider's prefix, for example `example_cluster`.
    fn type_name(&self) -> &str;

    fn schema(&self) -> Schema;

    fn identity_schema(&self) -> Option<IdentitySchema> {
        None
    }

    async fn validate(&self, _request: ValidateRequest) -> Diagnostics {
        Diagnostics::new()
    }

    /// When the object cannot be reached, answer [`ReadRequest::unchanged`] with a warning.
    async fn read(&self, request: ReadRequest) -> ReadResponse;

    /// Says what apply will do. Called for create, update and destroy, twice each, and must answer the same both times.
    async fn plan(&self, request: PlanRequest) -> PlanResponse {
        plan::propose(&self.schema(), &request)
    }

    async fn apply(&self, request: ApplyRequest) -> ApplyResponse {
        if request.prior_state.is_null() {
            self.create(request).await
        } else if request.planned_state.is_null() {
            self.delete(request).await
        } else {
            self.update(request).await
        }
    }

    async fn create(&self, request: ApplyRequest) -> ApplyResponse {
        let summary = format!("{} cannot be created", self.type_name());
        request.failed(Diagnostic::bug(summary, "There is no code for it.").into())
    }

    async fn update(&self, request: ApplyRequest) -> ApplyResponse {
        let summary = format!("{} cannot be changed", self.type_name());
        request.failed(Diagnostic::bug(summary, "There is no code for it.").into())
    }

    async fn delete(&self, request: ApplyRequest) -> ApplyResponse {
        let summary = format!("{} cannot be deleted", self.type_name());
        request.failed(Diagnostic::bug(summary, "There is no code for it.").into())
    }

    async fn import(&self, _request: ImportRequest) -> ImportResponse {
        let summary = format!("{} cannot be imported", self.type_name());
        Diagnostics::from(Diagnostic::error(summary, "This resource does not support import.")).into()
    }

    /// Brings a state of an older schema version to the current one. Attributes that are gone may stay; they are dropped.
    ///
    /// Works on what is stored alone: the provider is not configured yet.
    async fn upgrade_state(&self, request: UpgradeStateRequest) -> Result<serde_json::Value, Diagnostics> {
        Ok(request.state)
    }

    async fn upgrade_identity(&self, request: UpgradeIdentityRequest) -> Result<serde_json::Value, Diagnostics> {
        Ok(request.identity)
    }

    /// Takes over a state from another resource type, for `moved` blocks.
    ///
    /// Works on what is stored alone: the provider is not configured yet. Terraform calls `read` next.
    async fn move_state(&self, request: MoveRequest) -> MoveResponse {
        let summary = format!("cannot move {} to {}", request.source_type, self.type_name());
        let detail = format!("{} does not take over states of {}.", self.type_name(), request.source_provider);
        Diagnostics::from(Diagnostic::error(summary, detail)).into()
    }

    /// The configuration that would lead to this state, for `-generate-config-out`.
    async fn generate_config(&self, request: GenerateConfigRequest) -> Result<Value, Diagnostics> {
        Ok(plan::config_from_state(&self.schema(), &request.state))
    }
}
