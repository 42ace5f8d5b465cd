//! Serving a provider to a client in the same process, for tests.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::catalog::Catalog;
use super::listener::Connection;
use super::service::Service;
use super::{controller, provider_service};
use crate::Provider;

/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// Serves the provider until the client asks it to end. Answers with the client's end of the only connection.
pub(crate) fn in_process(provider: impl Provider) -> DuplexStream {
    let (client, server) = tokio::io::duplex(BUFFER);
    let stop = CancellationToken::new();
    let service = Service { catalog: Arc::new(Catalog::new(provider)), calls: Arc::default() };
    // The server would end with the last connection that comes in.
    let connections =
        stream::once(async { Ok::<_, std::io::Error>(Connection::over(server)) }).chain(stream::pending());
    let serving = Server::builder()
        .add_service(provider_service(service))
        .add_service(controller(stop.clone()))
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned());
    tokio::spawn(serving);
    client
}
