//! The services that go-plugin expects of every plugin besides its own.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::proto::plugin;

/// Ends the process when asked to.
pub(super) struct Controller {
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl plugin::grpc_controller_server::GrpcController for Controller {
    async fn shutdown(&self, _: Request<plugin::Empty>) -> Result<Response<plugin::Empty>, Status> {
        self.stop.cancel();
        Ok(Response::new(plugin::Empty {}))
    }
}

/// Carries nothing: stdout and stderr stay as they are, and Terraform reads them directly. The stream stays open because
/// Terraform logs a complaint when it ends early.
pub(super) struct Stdio {
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl plugin::grpc_stdio_server::GrpcStdio for Stdio {
    type StreamStdioStream = BoxStream<'static, Result<plugin::StdioData, Status>>;

    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(silent(self.stop.clone())))
    }
}

/// Brokers no connections: Terraform never asks for any.
pub(super) struct Broker {
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl plugin::grpc_broker_server::GrpcBroker for Broker {
    type StartStreamStream = BoxStream<'static, Result<plugin::ConnInfo, Status>>;

    async fn start_stream(
        &self,
        _: Request<Streaming<plugin::ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        Ok(Response::new(silent(self.stop.clone())))
    }
}

fn silent<T: Send + 'static>(stop: CancellationToken) -> BoxStream<'static, Result<T, Status>> {
    stream::pending().take_until(stop.cancelled_owned()).boxed()
}
