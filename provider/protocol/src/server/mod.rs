//! Serving a provider to Terraform.

mod calls;
mod catalog;
mod environment;
#[cfg(feature = "simulator")]
mod in_process;
mod life;
mod listener;
mod log;
mod panics;
mod plugin_services;
mod service;
mod start;
mod tls;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
#[cfg(feature = "simulator")]
pub(crate) use in_process::in_process;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use self::catalog::Catalog;
use self::environment::Environment;
use self::listener::Listener;
use self::service::Service;
use self::start::Mode;
use crate::Provider;
use crate::proto::plugin;
use crate::proto::plugin::grpc_controller_server::GrpcControllerServer;
use crate::proto::tfplugin6::provider_server::ProviderServer;

/// As much as Terraform itself allows.
pub(crate) const MAX_MESSAGE: usize = 256 << 20;
/// How long work that was told to stop may take before the process ends anyway.
const LINGER: Duration = Duration::from_mins(1);

/// What the process has to know about the provider it serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where users find it, for example `registry.terraform.io/example/example`.
    pub address: String,
    pub version: String,
}

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("could not start the runtime")]
    Runtime(#[source] io::Error),
    #[error("could not listen")]
    Listen(#[source] io::Error),
    #[error("could not watch signals")]
    Signals(#[source] io::Error),
    #[error("could not prepare TLS")]
    Tls(#[source] tls::TlsError),
    #[error("could not write the handshake")]
    Handshake(#[source] io::Error),
    #[error("the server failed")]
    Server(#[source] tonic::transport::Error),
}

/// Runs until Terraform is done with the provider. The whole of a provider's `main`.
///
/// Started by hand, it says what the program is and how to use it; with `--debug` it serves without Terraform as parent.
#[expect(clippy::needless_pass_by_value, reason = "a provider's main makes the options in place")]
pub fn serve(provider: impl Provider, options: Options) -> ExitCode {
    let environment = Environment::read();
    let mode = match start::choose(&environment, std::env::args().skip(1), &options) {
        Ok(mode) => mode,
        Err(message) => return message.print(),
    };
    log::install(environment.log_level.as_deref(), mode, &options.address);
    // Before the hook: a panic in a schema should be seen by the developer, whatever the log level.
    let catalog = Catalog::new(provider);
    panics::install_hook();
    match run(catalog, &options, &environment, mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => start::report(&error),
    }
}

fn run(catalog: Catalog, options: &Options, environment: &Environment, mode: Mode) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let result = runtime.block_on(serve_until_stopped(catalog, options, environment, mode));
    // Blocking work that does not notice the end must not hold up the exit.
    runtime.shutdown_background();
    result
}

async fn serve_until_stopped(
    catalog: Catalog,
    options: &Options,
    environment: &Environment,
    mode: Mode,
) -> Result<(), ServeError> {
    let stop = CancellationToken::new();
    life::stop_on_terminate(stop.clone()).map_err(ServeError::Signals)?;
    let listener = Listener::bind(environment.ports.clone()).map_err(ServeError::Listen)?;
    let (line, tls) = match mode {
        Mode::Plugin => {
            life::ignore_interrupt().map_err(ServeError::Signals)?;
            life::stop_without_parent(stop.clone());
            let tls = environment.client_certificate.as_deref().map(tls::server_tls).transpose();
            let tls = tls.map_err(ServeError::Tls)?;
            (handshake(&listener, tls.as_ref(), environment), tls.map(|tls| tls.config))
        }
        Mode::Debug => {
            life::stop_on_interrupt(stop.clone());
            (start::reattach(&options.address, &listener), None)
        }
    };
    let calls = Arc::new(calls::Calls::default());
    let service = Service { catalog: Arc::new(catalog), calls: calls.clone() };
    let connections = listener.connections(tls);
    announce(&line).map_err(ServeError::Handshake)?;

    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let stopped = stop.clone();
    let interrupted = calls.clone();
    let server = Server::builder()
        .add_service(health)
        .add_service(provider_service(service))
        .add_service(controller(stop.clone()))
        .add_service(plugin::grpc_stdio_server::GrpcStdioServer::new(plugin_services::Stdio { stop: stop.clone() }))
        .add_service(plugin::grpc_broker_server::GrpcBrokerServer::new(plugin_services::Broker { stop }))
        .serve_with_incoming_shutdown(connections, async move {
            stopped.cancelled().await;
            interrupted.cancel();
        });
    let result = server.await.map_err(ServeError::Server);
    calls.detached.close();
    if tokio::time::timeout(LINGER, calls.detached.wait()).await.is_err() {
        tracing::error!("work did not stop in time and is abandoned");
    }
    result
}

/// The calls of the protocol, with messages as large as Terraform's own.
fn provider_service(service: Service) -> ProviderServer<Service> {
    ProviderServer::new(service).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
}

/// How a client asks the server to end.
fn controller(stop: CancellationToken) -> GrpcControllerServer<plugin_services::Controller> {
    GrpcControllerServer::new(plugin_services::Controller { stop })
}

/// `core version | protocol version | network | address | kind | certificate`, the certificate in base64 without padding.
fn handshake(listener: &Listener, tls: Option<&tls::ServerTls>, environment: &Environment) -> String {
    let certificate =
        tls.map(|tls| base64::engine::general_purpose::STANDARD_NO_PAD.encode(&tls.certificate)).unwrap_or_default();
    let multiplex = if environment.wants_multiplex_field { "|false" } else { "" };
    format!("1|6|{}|{}|grpc|{certificate}{multiplex}", listener.network, listener.address)
}

/// The only thing that ever goes to stdout.
fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
