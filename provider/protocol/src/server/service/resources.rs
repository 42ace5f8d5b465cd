//! Managed resources: validate, read, plan, apply.

use super::{Service, decode, decode_identity, deferral, encode, encode_identity};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::{Entry, find};
use crate::wire::diagnostics_to_wire;
use crate::{
    ApplyRequest, Diagnostic, Diagnostics, PlanRequest, ReadRequest, Resource, Type, ValidateRequest, Value, plan,
};

impl Service {
    fn resource(&self, type_name: &str) -> Result<(&Entry<dyn Resource>, Option<&Type>), Diagnostics> {
        Ok((find(&self.catalog.resources, type_name)?, self.catalog.identity_type(type_name)))
    }

    pub(super) fn provider_meta(&self, wire: Option<&proto::DynamicValue>) -> Result<Value, Diagnostics> {
        match &self.catalog.meta {
            Some((_, ty)) => decode("provider_meta", wire, ty),
            None => Ok(Value::Null),
        }
    }

    pub(super) async fn validate_resource(
        &self,
        request: proto::ValidateResourceConfigRequest,
    ) -> Result<proto::ValidateResourceConfigResponse, Diagnostics> {
        let (entry, _) = self.resource(&request.type_name)?;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let context = self.calls.context(request.client_capabilities);
        // Older versions would store these values.
        let mut diagnostics = Diagnostics::new();
        if !context.client_capabilities.write_only_attributes_allowed {
            diagnostics.extend(plan::write_only_paths(&entry.schema, &config).into_iter().map(|path| {
                let detail =
                    "Write-only attributes need Terraform 1.11 or OpenTofu 1.11. Older versions would store the value.";
                Diagnostic::error("write-only attributes are not supported here", detail).at(path)
            }));
        }
        diagnostics.extend(entry.handler.validate(ValidateRequest { config, context }).await);
        Ok(proto::ValidateResourceConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn read_resource(
        &self,
        request: proto::ReadResourceRequest,
    ) -> Result<proto::ReadResourceResponse, Diagnostics> {
        let (entry, identity) = self.resource(&request.type_name)?;
        let context = self.calls.context(request.client_capabilities);
        let deferral_allowed = context.client_capabilities.deferral_allowed;
        let mut response = entry
            .handler
            .read(ReadRequest {
                state: decode("state", request.current_state.as_ref(), &entry.ty)?,
                private: request.private,
                identity: decode_identity(request.current_identity.as_ref(), identity)?,
                provider_meta: self.provider_meta(request.provider_meta.as_ref())?,
                context,
            })
            .await;
        let state = plan::without_write_only(&entry.schema, &response.state);
        Ok(proto::ReadResourceResponse {
            new_state: Some(encode("state", &state, &entry.ty)?),
            private: response.private,
            deferred: deferral(response.deferred, deferral_allowed, &mut response.diagnostics),
            new_identity: encode_identity(&response.identity, identity)?,
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    pub(super) async fn plan_resource(
        &self,
        request: proto::PlanResourceChangeRequest,
    ) -> Result<proto::PlanResourceChangeResponse, Diagnostics> {
        let (entry, identity) = self.resource(&request.type_name)?;
        let context = self.calls.context(request.client_capabilities);
        let capabilities = context.client_capabilities;
        let planned_private = Some(request.planned_private).filter(|bytes| !bytes.is_empty());
        let mut response = entry
            .handler
            .plan(PlanRequest {
                prior_state: decode("prior state", request.prior_state.as_ref(), &entry.ty)?,
                proposed_state: decode("proposed state", request.proposed_new_state.as_ref(), &entry.ty)?,
                config: decode("configuration", request.config.as_ref(), &entry.ty)?,
                prior_private: request.prior_private,
                planned_private: planned_private.filter(|_| capabilities.store_planned_private),
                prior_identity: decode_identity(request.prior_identity.as_ref(), identity)?,
                provider_meta: self.provider_meta(request.provider_meta.as_ref())?,
                context,
            })
            .await;
        let planned = plan::without_write_only(&entry.schema, &response.planned_state);
        Ok(proto::PlanResourceChangeResponse {
            planned_state: Some(encode("planned state", &planned, &entry.ty)?),
            requires_replace: response.requires_replace.into_iter().map(Into::into).collect(),
            planned_private: response.private,
            legacy_type_system: false,
            deferred: deferral(response.deferred, capabilities.deferral_allowed, &mut response.diagnostics),
            planned_identity: encode_identity(&response.identity, identity)?,
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    /// A failure of our own answers with the prior state, so that Terraform keeps what it has.
    pub(super) async fn apply_resource(
        &self,
        request: proto::ApplyResourceChangeRequest,
    ) -> Result<proto::ApplyResourceChangeResponse, Diagnostics> {
        let prior_state = request.prior_state.clone();
        let private = request.planned_private.clone();
        match self.try_apply_resource(request).await {
            Ok(response) => Ok(response),
            Err(diagnostics) => Ok(proto::ApplyResourceChangeResponse {
                new_state: prior_state,
                private,
                diagnostics: diagnostics_to_wire(diagnostics),
                ..Default::default()
            }),
        }
    }

    async fn try_apply_resource(
        &self,
        request: proto::ApplyResourceChangeRequest,
    ) -> Result<proto::ApplyResourceChangeResponse, Diagnostics> {
        let (entry, identity) = self.resource(&request.type_name)?;
        let handler = entry.handler.clone();
        let request = ApplyRequest {
            prior_state: decode("prior state", request.prior_state.as_ref(), &entry.ty)?,
            planned_state: decode("planned state", request.planned_state.as_ref(), &entry.ty)?,
            config: decode("configuration", request.config.as_ref(), &entry.ty)?,
            planned_private: request.planned_private,
            planned_identity: decode_identity(request.planned_identity.as_ref(), identity)?,
            provider_meta: self.provider_meta(request.provider_meta.as_ref())?,
            context: self.calls.context(None::<proto::ClientCapabilities>),
        };
        let response = self.calls.detach(async move { handler.apply(request).await }).await?;
        let state = plan::without_write_only(&entry.schema, &response.state);
        Ok(proto::ApplyResourceChangeResponse {
            new_state: Some(encode("new state", &state, &entry.ty)?),
            private: response.private,
            diagnostics: diagnostics_to_wire(response.diagnostics),
            legacy_type_system: false,
            new_identity: encode_identity(&response.identity, identity)?,
        })
    }
}
