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
    ($($message:ident),+ $(,)?) => {$(
        impl Failed for proto::$message::Response {
            fn failed(diagnostics: Diagnostics) -> Self {
                Self { diagnostics: diagnostics_to_wire(diagnostics), ..Self::default() }
            }
        }
    )+};
}

failed_with_diagnostics!(
    apply_resource_change,
    close_ephemeral_resource,
    configure_provider,
    generate_resource_config,
    get_provider_schema,
    get_resource_identity_schemas,
    import_resource_state,
    move_resource_state,
    open_ephemeral_resource,
    plan_action,
    plan_resource_change,
    read_data_source,
    read_resource,
    renew_ephemeral_resource,
    upgrade_resource_identity,
    upgrade_resource_state,
    validate_action_config,
    validate_data_resource_config,
    validate_ephemeral_resource_config,
    validate_list_resource_config,
    validate_provider_config,
    validate_resource_config,
);

pub(super) async fn answer<R: Failed>(
    call: impl Future<Output = Result<R, Diagnostics>>,
) -> Result<Response<R>, Status> {
    let result = catch(call).await.and_then(|result| result);
    Ok(Response::new(result.unwrap_or_else(R::failed)))
}
