//! Ephemeral resources. Opening and closing go on when Terraform hangs up, so that nothing stays open for good.

use super::{Service, decode, deferral, encode};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::find;
use crate::wire::diagnostics_to_wire;
use crate::{CloseRequest, Diagnostics, OpenRequest, RenewRequest, ValidateEphemeralRequest};

impl Service {
    pub(super) async fn validate_ephemeral(
        &self,
        request: proto::ValidateEphemeralResourceConfigRequest,
    ) -> Result<proto::ValidateEphemeralResourceConfigResponse, Diagnostics> {
        let entry = find(&self.catalog.ephemeral_resources, &request.type_name)?;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let diagnostics = entry.handler.validate(ValidateEphemeralRequest { config, context }).await;
        Ok(proto::ValidateEphemeralResourceConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn open_ephemeral(
        &self,
        request: proto::OpenEphemeralResourceRequest,
    ) -> Result<proto::OpenEphemeralResourceResponse, Diagnostics> {
        let entry = find(&self.catalog.ephemeral_resources, &request.type_name)?;
        let context = self.calls.context(request.client_capabilities);
        let deferral_allowed = context.client_capabilities.deferral_allowed;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let handler = entry.handler.clone();
        let open = async move { handler.open(OpenRequest { config, context }).await };
        let mut response = self.calls.detach(open).await?;
        Ok(proto::OpenEphemeralResourceResponse {
            renew_at: response.renew_at.map(Into::into),
            result: Some(encode("result", &response.result, &entry.ty)?),
            private: Some(response.private),
            deferred: deferral(response.deferred, deferral_allowed, &mut response.diagnostics),
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    pub(super) async fn renew_ephemeral(
        &self,
        request: proto::RenewEphemeralResourceRequest,
    ) -> Result<proto::RenewEphemeralResourceResponse, Diagnostics> {
        let entry = find(&self.catalog.ephemeral_resources, &request.type_name)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let private = request.private.unwrap_or_default();
        let response = entry.handler.renew(RenewRequest { private, context }).await;
        Ok(proto::RenewEphemeralResourceResponse {
            renew_at: response.renew_at.map(Into::into),
            private: Some(response.private),
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    pub(super) async fn close_ephemeral(
        &self,
        request: proto::CloseEphemeralResourceRequest,
    ) -> Result<proto::CloseEphemeralResourceResponse, Diagnostics> {
        let entry = find(&self.catalog.ephemeral_resources, &request.type_name)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let private = request.private.unwrap_or_default();
        let handler = entry.handler.clone();
        let close = async move { handler.close(CloseRequest { private, context }).await };
        let diagnostics = self.calls.detach(close).await?;
        Ok(proto::CloseEphemeralResourceResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }
}
