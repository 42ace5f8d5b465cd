//! From what a handler returns to what the protocol wants: failures and panics become diagnostics, never broken calls.

use tonic::{Response, Status};

use crate::Diagnostics;
use crate::proto::tfplugin6 as proto;
use crate::server::calls::catch;
use crate::wire::diagnostics_to_wire;

/// A response that can carry nothing but messages.
pub(super) trait Failed {
    fn failed(diagnostics: Diagnostics) -> Self;
}

macro_rules! failed_with_diagnostics {
    ($($response:ident),+ $(,)?) => {$(
        impl Failed for proto::$response {
            fn failed(diagnostics: Diagnostics) -> Self {
                let mut response = Self::default();
                response.diagnostics = diagnostics_to_wire(diagnostics);
                response
            }
        }
    )+};
}

failed_with_diagnostics!(
    ApplyResourceChangeResponse,
    CloseEphemeralResourceResponse,
    ConfigureProviderResponse,
    GenerateResourceConfigResponse,
    GetProviderSchemaResponse,
    GetResourceIdentitySchemasResponse,
    ImportResourceStateResponse,
    MoveResourceStateResponse,
    OpenEphemeralResourceResponse,
    PlanActionResponse,
    PlanResourceChangeResponse,
    ReadDataSourceResponse,
    ReadResourceResponse,
    RenewEphemeralResourceResponse,
    UpgradeResourceIdentityResponse,
    UpgradeResourceStateResponse,
    ValidateActionConfigResponse,
    ValidateDataResourceConfigResponse,
    ValidateEphemeralResourceConfigResponse,
    ValidateListResourceConfigResponse,
    ValidateProviderConfigResponse,
    ValidateResourceConfigResponse,
);

pub(super) async fn answer<R: Failed>(
    call: impl Future<Output = Result<R, Diagnostics>>,
) -> Result<Response<R>, Status> {
    let result = catch(call).await.and_then(|result| result);
    Ok(Response::new(result.unwrap_or_else(R::failed)))
}
