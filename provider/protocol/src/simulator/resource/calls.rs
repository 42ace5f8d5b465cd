//! The calls of a managed resource, encoded and decoded.

use super::{Instance, Planned};
use crate::proto::tfplugin6 as proto;
use crate::simulator::failure::refuse_errors;
use crate::simulator::{Failure, Rule, encode};
use crate::{Diagnostic, Diagnostics, Value};

/// What `read` and `apply` answer.
pub(super) struct Answer {
    pub(super) state: Value,
    pub(super) private: Vec<u8>,
    pub(super) identity: Value,
    pub(super) diagnostics: Diagnostics,
}

impl Instance<'_> {
    pub(super) async fn call_validate(&self, config: &Value) -> Result<Diagnostics, Failure> {
        let request = proto::ValidateResourceConfigRequest {
            type_name: self.type_name.clone(),
            config: self.encode(config)?,
            client_capabilities: Some(self.core.profile.capabilities()),
        };
        refuse_errors(self.core.client.clone().validate_resource_config(request).await?.into_inner().diagnostics)
    }

    pub(super) async fn call_plan(
        &self,
        prior: &Value,
        proposed: &Value,
        config: &Value,
        first: Option<&Planned>,
    ) -> Result<Planned, Failure> {
        let first = first.filter(|_| self.core.profile.planned_private);
        let request = proto::PlanResourceChangeRequest {
            type_name: self.type_name.clone(),
            prior_state: self.encode(prior)?,
            proposed_new_state: self.encode(proposed)?,
            config: self.encode(config)?,
            prior_private: if prior.is_null() { Vec::new() } else { self.private.clone() },
            provider_meta: None,
            client_capabilities: Some(self.core.profile.capabilities()),
            prior_identity: if prior.is_null() { None } else { self.encode_identity(&self.identity)? },
            planned_private: first.map(|planned| planned.private.clone()).unwrap_or_default(),
        };
        let answer = self.core.client.clone().plan_resource_change(request).await?.into_inner();
        if answer.deferred.is_some() && !self.core.profile.deferral {
            return Err(Rule::DefersWhenAllowed.violated());
        }
        Ok(Planned {
            deferred: answer.deferred.is_some(),
            diagnostics: refuse_errors(answer.diagnostics)?,
            state: self.decode(answer.planned_state)?,
            requires_replace: answer.requires_replace.into_iter().map(Into::into).collect(),
            private: answer.planned_private,
            identity: self.decode_identity(answer.planned_identity)?,
        })
    }

    pub(super) async fn call_apply(&self, prior: &Value, planned: &Planned, config: &Value) -> Result<Answer, Failure> {
        let request = proto::ApplyResourceChangeRequest {
            type_name: self.type_name.clone(),
            prior_state: self.encode(prior)?,
            planned_state: self.encode(&planned.state)?,
            config: self.encode(config)?,
            planned_private: planned.private.clone(),
            provider_meta: None,
            planned_identity: self.encode_identity(&planned.identity)?,
        };
        let answer = self.core.client.clone().apply_resource_change(request).await?.into_inner();
        Ok(Answer {
            state: self.decode(answer.new_state)?,
            private: answer.private,
            identity: self.decode_identity(answer.new_identity)?,
            diagnostics: answer.diagnostics.into_iter().map(Diagnostic::from).collect(),
        })
    }

    pub(super) async fn call_read(&self) -> Result<Answer, Failure> {
        let request = proto::ReadResourceRequest {
            type_name: self.type_name.clone(),
            current_state: self.encode(&self.state)?,
            private: self.private.clone(),
            provider_meta: None,
            client_capabilities: Some(self.core.profile.capabilities()),
            current_identity: self.encode_identity(&self.identity)?,
        };
        let answer = self.core.client.clone().read_resource(request).await?.into_inner();
        Ok(Answer {
            diagnostics: refuse_errors(answer.diagnostics)?,
            state: self.decode(answer.new_state)?,
            private: answer.private,
            identity: self.decode_identity(answer.new_identity)?,
        })
    }

    pub(super) fn encode(&self, value: &Value) -> Result<Option<proto::DynamicValue>, Failure> {
        encode(value, &self.ty)
    }

    pub(in crate::simulator) fn decode(&self, wire: Option<proto::DynamicValue>) -> Result<Value, Failure> {
        Ok(wire.unwrap_or_default().decode(&self.ty)?)
    }

    pub(super) fn encode_identity(&self, identity: &Value) -> Result<Option<proto::ResourceIdentityData>, Failure> {
        match self.identity_type.as_ref().filter(|_| !identity.is_null()) {
            Some(ty) => Ok(Some(proto::ResourceIdentityData { identity_data: encode(identity, ty)? })),
            None => Ok(None),
        }
    }

    /// Versions without identities ignore what they are sent.
    pub(in crate::simulator) fn decode_identity(
        &self,
        wire: Option<proto::ResourceIdentityData>,
    ) -> Result<Value, Failure> {
        let Some((wire, ty)) = wire.and_then(|wire| wire.identity_data).zip(self.identity_type.as_ref()) else {
            return Ok(Value::Null);
        };
        Ok(wire.decode(ty)?)
    }
}
