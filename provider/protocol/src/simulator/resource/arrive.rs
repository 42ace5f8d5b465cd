//! Ways into the state other than create: import, an older schema version, another resource type. And back to configuration.

use super::{Instance, check_known};
use crate::proto::tfplugin6 as proto;
use crate::simulator::failure::refuse_errors;
use crate::simulator::{Failure, Rule};
use crate::{ImportTarget, StoredValue, Value};

impl Instance<'_> {
    /// Imports and reads, as core does.
    pub async fn import(&mut self, target: ImportTarget) -> Result<(), Failure> {
        let (id, identity) = match target {
            ImportTarget::Id(id) => (id, None),
            ImportTarget::Identity(identity) => (String::new(), self.encode_identity(&identity)?),
        };
        let request = proto::ImportResourceStateRequest {
            type_name: self.type_name.clone(),
            id,
            client_capabilities: Some(self.core.profile.capabilities()),
            identity,
        };
        let answer = self.core.client.clone().import_resource_state(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        let imported = answer.imported_resources.into_iter().find(|resource| resource.type_name == self.type_name);
        let imported = imported.ok_or_else(|| Failure::Missing { name: self.type_name.clone() })?;
        let identity = self.decode_identity(imported.identity)?;
        self.arrive(imported.state, imported.private, identity).await
    }

    /// Starts from a stored state, possibly of an older schema version, and reads.
    pub async fn upgrade(&mut self, stored: StoredValue) -> Result<(), Failure> {
        let request = proto::UpgradeResourceStateRequest {
            type_name: self.type_name.clone(),
            version: stored.version,
            raw_state: Some(raw(&stored.value)),
        };
        let answer = self.core.client.clone().upgrade_resource_state(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        self.arrive(answer.upgraded_state, Vec::new(), Value::Null).await
    }

    /// Brings a stored identity to the current schema version.
    pub async fn upgrade_identity(&self, stored: StoredValue) -> Result<Value, Failure> {
        let request = proto::UpgradeResourceIdentityRequest {
            type_name: self.type_name.clone(),
            version: stored.version,
            raw_identity: Some(raw(&stored.value)),
        };
        let answer = self.core.client.clone().upgrade_resource_identity(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        self.decode_identity(answer.upgraded_identity)
    }

    /// Takes over the state of another resource type, as for a `moved` block, and reads.
    pub async fn move_from(&mut self, provider: &str, type_name: &str, stored: StoredValue) -> Result<(), Failure> {
        let request = proto::MoveResourceStateRequest {
            source_provider_address: provider.to_owned(),
            source_type_name: type_name.to_owned(),
            source_schema_version: stored.version,
            source_state: Some(raw(&stored.value)),
            target_type_name: self.type_name.clone(),
            ..Default::default()
        };
        let answer = self.core.client.clone().move_resource_state(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        let identity = self.decode_identity(answer.target_identity)?;
        self.arrive(answer.target_state, answer.target_private, identity).await
    }

    /// The configuration that the provider would write for the state.
    pub async fn generate_config(&self) -> Result<Value, Failure> {
        let request = proto::GenerateResourceConfigRequest {
            type_name: self.type_name.clone(),
            state: self.encode(&self.state)?,
        };
        let answer = self.core.client.clone().generate_resource_config(request).await?.into_inner();
        refuse_errors(answer.diagnostics)?;
        self.decode(answer.config)
    }

    async fn arrive(
        &mut self,
        state: Option<proto::DynamicValue>,
        private: Vec<u8>,
        identity: Value,
    ) -> Result<(), Failure> {
        self.state = self.decode(state)?;
        check_known(Rule::ReadKnowsAll, &self.ty, &self.state)?;
        (self.private, self.identity) = (private, identity);
        self.refresh().await.map(drop)
    }
}

fn raw(json: &serde_json::Value) -> proto::RawState {
    proto::RawState { json: json.to_string().into_bytes(), ..Default::default() }
}
