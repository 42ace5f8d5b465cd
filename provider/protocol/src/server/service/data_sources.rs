//! Data sources.

use super::{Service, decode, deferral, encode};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::find;
use crate::wire::diagnostics_to_wire;
use crate::{Diagnostics, ReadDataRequest, ValidateRequest};

impl Service {
    pub(super) async fn validate_data_source(
        &self,
        request: proto::ValidateDataResourceConfigRequest,
    ) -> Result<proto::ValidateDataResourceConfigResponse, Diagnostics> {
        let entry = find(&self.catalog.data_sources, &request.type_name)?;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let diagnostics = entry.handler.validate(ValidateRequest { config, context }).await;
        Ok(proto::ValidateDataResourceConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn read_data_source(
        &self,
        request: proto::ReadDataSourceRequest,
    ) -> Result<proto::ReadDataSourceResponse, Diagnostics> {
        let entry = find(&self.catalog.data_sources, &request.type_name)?;
        let context = self.calls.context(request.client_capabilities);
        let deferral_allowed = context.client_capabilities.deferral_allowed;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let provider_meta = self.provider_meta(request.provider_meta.as_ref())?;
        let mut response = entry.handler.read(ReadDataRequest { config, provider_meta, context }).await;
        Ok(proto::ReadDataSourceResponse {
            state: Some(encode("state", &response.state, &entry.ty)?),
            deferred: deferral(response.deferred, deferral_allowed, &mut response.diagnostics),
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }
}
