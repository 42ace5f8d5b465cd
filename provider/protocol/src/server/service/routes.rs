//! Which call goes where. The trait is generated from the protocol, so all 36 calls are in this one block.

use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::answer::answer;
use super::{Service, actions, list};
use crate::proto::tfplugin6 as proto;

type Answer<T> = Result<Response<T>, Status>;

/// State stores are experimental in Terraform, and nothing advertises one here.
fn no_state_stores<T>() -> Answer<T> {
    Err(Status::unimplemented("this provider has no state stores"))
}

#[tonic::async_trait]
impl proto::provider_server::Provider for Service {
    async fn get_metadata(&self, _: Request<proto::GetMetadataRequest>) -> Answer<proto::GetMetadataResponse> {
        Ok(Response::new(self.metadata()))
    }

    async fn get_provider_schema(
        &self,
        _: Request<proto::GetProviderSchemaRequest>,
    ) -> Answer<proto::GetProviderSchemaResponse> {
        Ok(Response::new(self.provider_schema()))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<proto::GetResourceIdentitySchemasRequest>,
    ) -> Answer<proto::GetResourceIdentitySchemasResponse> {
        Ok(Response::new(self.identity_schemas()))
    }

    async fn get_functions(&self, _: Request<proto::GetFunctionsRequest>) -> Answer<proto::GetFunctionsResponse> {
        Ok(Response::new(proto::GetFunctionsResponse {
            functions: self.function_signatures(),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(&self, request: Request<proto::CallFunctionRequest>) -> Answer<proto::CallFunctionResponse> {
        Ok(Response::new(Service::call_function(self, request.into_inner()).await))
    }

    async fn stop_provider(&self, _: Request<proto::StopProviderRequest>) -> Answer<proto::StopProviderResponse> {
        Ok(Response::new(self.stop()))
    }

    async fn validate_provider_config(
        &self,
        request: Request<proto::ValidateProviderConfigRequest>,
    ) -> Answer<proto::ValidateProviderConfigResponse> {
        answer(self.validate_provider(request.into_inner())).await
    }

    async fn configure_provider(
        &self,
        request: Request<proto::ConfigureProviderRequest>,
    ) -> Answer<proto::ConfigureProviderResponse> {
        answer(self.configure(request.into_inner())).await
    }

    async fn validate_resource_config(
        &self,
        request: Request<proto::ValidateResourceConfigRequest>,
    ) -> Answer<proto::ValidateResourceConfigResponse> {
        answer(self.validate_resource(request.into_inner())).await
    }

    async fn read_resource(&self, request: Request<proto::ReadResourceRequest>) -> Answer<proto::ReadResourceResponse> {
        answer(self.read_resource(request.into_inner())).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<proto::PlanResourceChangeRequest>,
    ) -> Answer<proto::PlanResourceChangeResponse> {
        answer(self.plan_resource(request.into_inner())).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<proto::ApplyResourceChangeRequest>,
    ) -> Answer<proto::ApplyResourceChangeResponse> {
        answer(self.apply_resource(request.into_inner())).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<proto::UpgradeResourceStateRequest>,
    ) -> Answer<proto::UpgradeResourceStateResponse> {
        answer(self.upgrade_state(request.into_inner())).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<proto::UpgradeResourceIdentityRequest>,
    ) -> Answer<proto::UpgradeResourceIdentityResponse> {
        answer(self.upgrade_identity(request.into_inner())).await
    }

    async fn import_resource_state(
        &self,
        request: Request<proto::ImportResourceStateRequest>,
    ) -> Answer<proto::ImportResourceStateResponse> {
        answer(self.import_resource(request.into_inner())).await
    }

    async fn move_resource_state(
        &self,
        request: Request<proto::MoveResourceStateRequest>,
    ) -> Answer<proto::MoveResourceStateResponse> {
        answer(self.move_state(request.into_inner())).await
    }

    async fn generate_resource_config(
        &self,
        request: Request<proto::GenerateResourceConfigRequest>,
    ) -> Answer<proto::GenerateResourceConfigResponse> {
        answer(self.generate_config(request.into_inner())).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<proto::ValidateDataResourceConfigRequest>,
    ) -> Answer<proto::ValidateDataResourceConfigResponse> {
        answer(self.validate_data_source(request.into_inner())).await
    }

    async fn read_data_source(
        &self,
        request: Request<proto::ReadDataSourceRequest>,
    ) -> Answer<proto::ReadDataSourceResponse> {
        answer(self.read_data_source(request.into_inner())).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<proto::ValidateEphemeralResourceConfigRequest>,
    ) -> Answer<proto::ValidateEphemeralResourceConfigResponse> {
        answer(self.validate_ephemeral(request.into_inner())).await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<proto::OpenEphemeralResourceRequest>,
    ) -> Answer<proto::OpenEphemeralResourceResponse> {
        answer(self.open_ephemeral(request.into_inner())).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<proto::RenewEphemeralResourceRequest>,
    ) -> Answer<proto::RenewEphemeralResourceResponse> {
        answer(self.renew_ephemeral(request.into_inner())).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<proto::CloseEphemeralResourceRequest>,
    ) -> Answer<proto::CloseEphemeralResourceResponse> {
        answer(self.close_ephemeral(request.into_inner())).await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<proto::ValidateListResourceConfigRequest>,
    ) -> Answer<proto::ValidateListResourceConfigResponse> {
        answer(self.validate_list(request.into_inner())).await
    }

    async fn validate_action_config(
        &self,
        request: Request<proto::ValidateActionConfigRequest>,
    ) -> Answer<proto::ValidateActionConfigResponse> {
        answer(self.validate_action(request.into_inner())).await
    }

    async fn plan_action(&self, request: Request<proto::PlanActionRequest>) -> Answer<proto::PlanActionResponse> {
        answer(self.plan_action(request.into_inner())).await
    }

    type ListResourceStream = list::EventStream;

    async fn list_resource(&self, request: Request<proto::ListResourceRequest>) -> Answer<Self::ListResourceStream> {
        Ok(Response::new(self.list(request.into_inner())))
    }

    type InvokeActionStream = actions::EventStream;

    async fn invoke_action(&self, request: Request<proto::InvokeActionRequest>) -> Answer<Self::InvokeActionStream> {
        Ok(Response::new(Service::invoke_action(self, request.into_inner())))
    }

    async fn validate_state_store_config(
        &self,
        _: Request<proto::ValidateStateStoreRequest>,
    ) -> Answer<proto::ValidateStateStoreResponse> {
        no_state_stores()
    }

    async fn configure_state_store(
        &self,
        _: Request<proto::ConfigureStateStoreRequest>,
    ) -> Answer<proto::ConfigureStateStoreResponse> {
        no_state_stores()
    }

    type ReadStateBytesStream = BoxStream<'static, Result<proto::ReadStateBytesResponse, Status>>;

    async fn read_state_bytes(&self, _: Request<proto::ReadStateBytesRequest>) -> Answer<Self::ReadStateBytesStream> {
        no_state_stores()
    }

    async fn write_state_bytes(
        &self,
        _: Request<Streaming<proto::WriteStateBytesRequestChunk>>,
    ) -> Answer<proto::WriteStateBytesResponse> {
        no_state_stores()
    }

    async fn lock_state(&self, _: Request<proto::LockStateRequest>) -> Answer<proto::LockStateResponse> {
        no_state_stores()
    }

    async fn unlock_state(&self, _: Request<proto::UnlockStateRequest>) -> Answer<proto::UnlockStateResponse> {
        no_state_stores()
    }

    async fn get_states(&self, _: Request<proto::GetStatesRequest>) -> Answer<proto::GetStatesResponse> {
        no_state_stores()
    }

    async fn delete_state(&self, _: Request<proto::DeleteStateRequest>) -> Answer<proto::DeleteStateResponse> {
        no_state_stores()
    }
}
