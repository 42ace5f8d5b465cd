//! The way to an API server: a stream that somebody else opens, TLS over it, HTTP/2 over that.
//!
//! HTTP/2 lets all requests at one time share one stream, which matters when the stream is a channel of an SSH
//! connection.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client as HttpClient,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use kube::{
    Client,
    client::{Body, middleware::BaseUriLayer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};
use tower::{BoxError, Service, ServiceBuilder};

use crate::Kubeconfig;

mod bounded;

use bounded::BoundedAnswers;
pub(crate) use bounded::UnusableAnswer;

/// A byte stream to an API server.
pub trait ApiStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ApiStream for T {}

/// Opens a stream to one API server.
pub type ApiConnector = Arc<dyn Fn() -> BoxFuture<'static, Result<Box<dyn ApiStream>, BoxError>> + Send + Sync>;

/// An API server, and the way to it.
#[derive(Clone)]
pub struct ApiServer {
    pub name: String,
    pub open: ApiConnector,
}

/// A name that kubeadm puts into the certificate of every API server, so any control plane can be asked.
const SERVER_NAME: &str = "kubernetes.default";
const BASE: &str = "https://kubernetes.default";
const DEFAULT_NAMESPACE: &str = "default";

/// How long a silent connection may be in use before it is asked for a sign of life, and then for the answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long one of several API servers may take to say whether it is ready. A few of them must fit into the shortest patience
/// that anybody has with the API.
const LOOK: Duration = Duration::from_secs(3);

/// A client with the kubeconfig's credentials that trusts the kubeconfig's certificate authority only. Whenever there is no
/// stream, or the last one broke, it takes the first of the servers that is ready.
pub(crate) fn connect(kubeconfig: &Kubeconfig, servers: Vec<ApiServer>) -> Client {
    let mut tls = kubeconfig.tls();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TunnelConnector { servers: servers.into(), tls: TlsConnector::from(Arc::new(tls)) };
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .http2_only(true)
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
        .build(connector);
    // Where streams lead is decided here alone: the server that a kubeconfig names is never resolved.
    let service = ServiceBuilder::new().layer(BaseUriLayer::new(Uri::from_static(BASE))).service(BoundedAnswers(http));
    Client::new(service, DEFAULT_NAMESPACE)
}

#[derive(Clone)]
struct TunnelConnector {
    servers: Arc<[ApiServer]>,
    tls: TlsConnector,
}

impl Service<Uri> for TunnelConnector {
    type Response = TunnelConnection;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<TunnelConnection, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let stream = this.open(this.choose().await?).await?;
            Ok(TunnelConnection(TokioIo::new(stream)))
        })
    }
}

impl TunnelConnector {
    async fn open(&self, server: &ApiServer) -> Result<TlsStream<Box<dyn ApiStream>>, BoxError> {
        let name = ServerName::try_from(SERVER_NAME)?;
        Ok(self.tls.connect(name, (server.open)().await?).await?)
    }

    /// The first server that is ready: one whose machine accepts streams may be frozen, or have no etcd behind it. Without
    /// any, the first that says something; it may be about to stop, and serve on until then.
    async fn choose(&self) -> Result<&ApiServer, BoxError> {
        if let [only] = &*self.servers {
            return Ok(only);
        }
        let mut not_ready = None;
        let mut reasons = Vec::new();
        for server in self.servers.iter() {
            let reason = match timeout(LOOK, self.is_ready(server)).await {
                Ok(Ok(true)) => return Ok(server),
                Ok(Ok(false)) => {
                    not_ready.get_or_insert(server);
                    "it is not ready".to_owned()
                }
                Ok(Err(error)) => crate::causes::causes(&*error),
                Err(_) => format!("no answer within {} s", LOOK.as_secs()),
            };
            tracing::debug!(server = server.name, reason, "this API server is passed over");
            reasons.push(format!("{}: {reason}", server.name));
        }
        not_ready.ok_or_else(|| reasons.join("; ").into())
    }

    /// Asks a server, over a stream of its own, whether it would serve.
    async fn is_ready(&self, server: &ApiServer) -> Result<bool, BoxError> {
        let stream = TokioIo::new(self.open(server).await?);
        let (mut requests, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        let request = Request::get(format!("{BASE}/readyz")).body(Body::empty())?;
        tokio::select! {
            answer = requests.send_request(request) => Ok(answer?.status().is_success()),
            ended = connection => Err(ended.err().map_or_else(|| "it ended the connection".into(), Into::into)),
        }
    }
}

struct TunnelConnection(TokioIo<TlsStream<Box<dyn ApiStream>>>);

impl Connection for TunnelConnection {
    fn connected(&self) -> Connected {
        Connected::new().negotiated_h2()
    }
}

impl Read for TunnelConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for TunnelConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
