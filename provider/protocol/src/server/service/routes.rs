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
    async fn get_metadata(&self, _: Request<proto::get_metadata::Request>) -> Answer<proto::get_metadata::Response> {
        Ok(Response::new(self.metadata()))
    }

    async fn get_provider_schema(
        &self,
        _: Request<proto::get_provider_schema::Request>,
    ) -> Answer<proto::get_provider_schema::Response> {
        Ok(Response::new(self.provider_schema()))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<proto::get_resource_identity_schemas::Request>,
    ) -> Answer<proto::get_resource_identity_schemas::Response> {
        Ok(Response::new(self.identity_schemas()))
    }

    async fn get_functions(&self, _: Request<proto::get_functions::Request>) -> Answer<proto::get_functions::Response> {
        Ok(Response::new(proto::get_functions::Response {
            functions: self.function_signatures(),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(
        &self,
        request: Request<proto::call_function::Request>,
    ) -> Answer<proto::call_function::Response> {
        Ok(Response::new(Service::call_function(self, request.into_inner()).await))
    }

    async fn stop_provider(&self, _: Request<proto::stop_provider::Request>) -> Answer<proto::stop_provider::Response> {
        Ok(Response::new(self.stop()))
    }

    async fn validate_provider_config(
        &self,
        request: Request<proto::validate_provider_config::Request>,
    ) -> Answer<proto::validate_provider_config::Response> {
        answer(self.validate_provider(request.into_inner())).await
    }

    async fn configure_provider(
        &self,
        request: Request<proto::configure_provider::Request>,
    ) -> Answer<proto::configure_provider::Response> {
        answer(self.configure(request.into_inner())).await
    }

    async fn validate_resource_config(
        &self,
        request: Request<proto::validate_resource_config::Request>,
    ) -> Answer<proto::validate_resource_config::Response> {
        answer(self.validate_resource(request.into_inner())).await
    }

    async fn read_resource(
        &self,
        request: Request<proto::read_resource::Request>,
    ) -> Answer<proto::read_resource::Response> {
        answer(self.read_resource(request.into_inner())).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<proto::plan_resource_change::Request>,
    ) -> Answer<proto::plan_resource_change::Response> {
        answer(self.plan_resource(request.into_inner())).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<proto::apply_resource_change::Request>,
    ) -> Answer<proto::apply_resource_change::Response> {
        answer(self.apply_resource(request.into_inner())).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<proto::upgrade_resource_state::Request>,
    ) -> Answer<proto::upgrade_resource_state::Response> {
        answer(self.upgrade_state(request.into_inner())).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<proto::upgrade_resource_identity::Request>,
    ) -> Answer<proto::upgrade_resource_identity::Response> {
        answer(self.upgrade_identity(request.into_inner())).await
    }

    async fn import_resource_state(
        &self,
        request: Request<proto::import_resource_state::Request>,
    ) -> Answer<proto::import_resource_state::Response> {
        answer(self.import_resource(request.into_inner())).await
    }

    async fn move_resource_state(
        &self,
        request: Request<proto::move_resource_state::Request>,
    ) -> Answer<proto::move_resource_state::Response> {
        answer(self.move_state(request.into_inner())).await
    }

    async fn generate_resource_config(
        &self,
        request: Request<proto::generate_resource_config::Request>,
    ) -> Answer<proto::generate_resource_config::Response> {
        answer(self.generate_config(request.into_inner())).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<proto::validate_data_resource_config::Request>,
    ) -> Answer<proto::validate_data_resource_config::Response> {
        answer(self.validate_data_source(request.into_inner())).await
    }

    async fn read_data_source(
        &self,
        request: Request<proto::read_data_source::Request>,
    ) -> Answer<proto::read_data_source::Response> {
        answer(self.read_data_source(request.into_inner())).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<proto::validate_ephemeral_resource_config::Request>,
    ) -> Answer<proto::validate_ephemeral_resource_config::Response> {
        answer(self.validate_ephemeral(request.into_inner())).await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<proto::open_ephemeral_resource::Request>,
    ) -> Answer<proto::open_ephemeral_resource::Response> {
        answer(self.open_ephemeral(request.into_inner())).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<proto::renew_ephemeral_resource::Request>,
    ) -> Answer<proto::renew_ephemeral_resource::Response> {
        answer(self.renew_ephemeral(request.into_inner())).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<proto::close_ephemeral_resource::Request>,
    ) -> Answer<proto::close_ephemeral_resource::Response> {
        answer(self.close_ephemeral(request.into_inner())).await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<proto::validate_list_resource_config::Request>,
    ) -> Answer<proto::validate_list_resource_config::Response> {
        answer(self.validate_list(request.into_inner())).await
    }

    async fn validate_action_config(
        &self,
        request: Request<proto::validate_action_config::Request>,
    ) -> Answer<proto::validate_action_config::Response> {
        answer(self.validate_action(request.into_inner())).await
    }

    async fn plan_action(&self, request: Request<proto::plan_action::Request>) -> Answer<proto::plan_action::Response> {
        answer(self.plan_action(request.into_inner())).await
    }

    type ListResourceStream = list::EventStream;

    async fn list_resource(&self, request: Request<proto::list_resource::Request>) -> Answer<Self::ListResourceStream> {
        Ok(Response::new(self.list(request.into_inner())))
    }

    type InvokeActionStream = actions::EventStream;

    async fn invoke_action(&self, request: Request<proto::invoke_action::Request>) -> Answer<Self::InvokeActionStream> {
        Ok(Response::new(Service::invoke_action(self, request.into_inner())))
    }

    async fn validate_state_store_config(
        &self,
        _: Request<proto::validate_state_store::Request>,
    ) -> Answer<proto::validate_state_store::Response> {
        no_state_stores()
    }

    async fn configure_state_store(
        &self,
        _: Request<proto::configure_state_store::Request>,
    ) -> Answer<proto::configure_state_store::Response> {
        no_state_stores()
    }

    type ReadStateBytesStream = BoxStream<'static, Result<proto::read_state_bytes::Response, Status>>;

    async fn read_state_bytes(
        &self,
        _: Request<proto::read_state_bytes::Request>,
    ) -> Answer<Self::ReadStateBytesStream> {
        no_state_stores()
    }

    async fn write_state_bytes(
        &self,
        _: Request<Streaming<proto::write_state_bytes::RequestChunk>>,
    ) -> Answer<proto::write_state_bytes::Response> {
        no_state_stores()
    }

    async fn lock_state(&self, _: Request<proto::lock_state::Request>) -> Answer<proto::lock_state::Response> {
        no_state_stores()
    }

    async fn unlock_state(&self, _: Request<proto::unlock_state::Request>) -> Answer<proto::unlock_state::Response> {
        no_state_stores()
    }

    async fn get_states(&self, _: Request<proto::get_states::Request>) -> Answer<proto::get_states::Response> {
        no_state_stores()
    }

    async fn delete_state(&self, _: Request<proto::delete_state::Request>) -> Answer<proto::delete_state::Response> {
        no_state_stores()
    }
}
