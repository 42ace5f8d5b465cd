//! The provider block, and Ctrl-C.

use super::{Service, decode};
use crate::proto::tfplugin6 as proto;
use crate::wire::diagnostics_to_wire;
use crate::{ConfigureRequest, Diagnostics, ValidateProviderRequest};

impl Service {
    pub(super) async fn validate_provider(
        &self,
        request: proto::ValidateProviderConfigRequest,
    ) -> Result<proto::ValidateProviderConfigResponse, Diagnostics> {
        let provider = &self.catalog.provider;
        let config = decode("provider configuration", request.config.as_ref(), &provider.ty)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let diagnostics = provider.handler.validate(ValidateProviderRequest { config, context }).await;
        Ok(proto::ValidateProviderConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn configure(
        &self,
        request: proto::ConfigureProviderRequest,
    ) -> Result<proto::ConfigureProviderResponse, Diagnostics> {
        self.calls.begin_session(request.client_capabilities.unwrap_or_default().into());
        let provider = &self.catalog.provider;
        let request = ConfigureRequest {
            config: decode("provider configuration", request.config.as_ref(), &provider.ty)?,
            terraform_version: request.terraform_version,
            context: self.calls.context(request.client_capabilities),
        };
        let diagnostics = provider.handler.configure(request).await;
        Ok(proto::ConfigureProviderResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) fn stop(&self) -> proto::StopProviderResponse {
        tracing::info!("Terraform asks to stop");
        self.calls.cancel();
        proto::StopProviderResponse::default()
    }
}
