//! The provider block, and Ctrl-C.

use super::{Service, decode};
use crate::proto::tfplugin6 as proto;
use crate::wire::diagnostics_to_wire;
use crate::{ConfigureRequest, Diagnostics, ValidateProviderRequest};

impl Service {
    pub(super) async fn validate_provider(
        &self,
        request: proto::validate_provider_config::Request,
    ) -> Result<proto::validate_provider_config::Response, Diagnostics> {
        let provider = &self.catalog.provider;
        let config = decode("provider configuration", request.config.as_ref(), &provider.ty)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let diagnostics = provider.handler.validate(ValidateProviderRequest { config, context }).await;
        Ok(proto::validate_provider_config::Response { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn configure(
        &self,
        request: proto::configure_provider::Request,
    ) -> Result<proto::configure_provider::Response, Diagnostics> {
        self.calls.begin_session(request.client_capabilities.unwrap_or_default().into());
        let provider = &self.catalog.provider;
        let request = ConfigureRequest {
            config: decode("provider configuration", request.config.as_ref(), &provider.ty)?,
            terraform_version: request.terraform_version,
            context: self.calls.context(request.client_capabilities),
        };
        let diagnostics = provider.handler.configure(request).await;
        Ok(proto::configure_provider::Response { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) fn stop(&self) -> proto::stop_provider::Response {
        tracing::info!("Terraform asks to stop");
        self.calls.cancel();
        proto::stop_provider::Response::default()
    }
}
