//! The socket, and the connections that come in over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// Connections that may wait for the server; Terraform opens one.
const BACKLOG: usize = 4;

#[cfg(unix)]
type Socket = tokio::net::UnixListener;
#[cfg(not(unix))]
type Socket = tokio::net::TcpListener;

/// Where the socket lives: readable for this user only, removed with the socket in it when dropped.
#[cfg(unix)]
type Home = tempfile::TempDir;
#[cfg(not(unix))]
type Home = ();

/// A bound socket and how to name it in the handshake.
pub(super) struct Listener {
    pub(super) network: &'static str,
    pub(super) address: String,
    socket: Socket,
    home: Home,
}

impl Listener {
    #[cfg(unix)]
    pub(super) fn bind(_ports: impl Sized) -> io::Result<Self> {
        let home = tempfile::Builder::new().prefix("tfplugin-").tempdir()?;
        let path = home.path().join("socket");
        let socket = Socket::bind(&path)?;
        Ok(Self { network: "unix", address: path.display().to_string(), socket, home })
    }

    #[cfg(not(unix))]
    pub(super) fn bind(mut ports: std::ops::RangeInclusive<u16>) -> io::Result<Self> {
        let in_use = || io::Error::new(io::ErrorKind::AddrInUse, "no free port in the range that Terraform allows");
        let listener =
            ports.find_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok()).ok_or_else(in_use)?;
        listener.set_nonblocking(true)?;
        let socket = Socket::from_std(listener)?;
        Ok(Self { network: "tcp", address: socket.local_addr()?.to_string(), socket, home: () })
    }

    /// Accepts until the receiver is dropped. TLS handshakes run side by side, so that a stranger who connects and says
    /// nothing keeps nobody out.
    pub(super) fn connections(self, tls: Option<Arc<ServerConfig>>) -> Connections {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        tokio::spawn(accept(self.socket, tls.map(TlsAcceptor::from), sender));
        Connections { established: ReceiverStream::new(receiver), _home: self.home }
    }
}

/// Connections as they come in. The socket is gone when this is dropped.
pub(super) struct Connections {
    established: ReceiverStream<io::Result<Connection>>,
    _home: Home,
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.established).poll_next(context)
    }
}

async fn accept(socket: Socket, acceptor: Option<TlsAcceptor>, connections: mpsc::Sender<io::Result<Connection>>) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = connections.closed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(establish(stream, acceptor.clone(), connections.clone()));
            }
            Err(error) => {
                connections.send(Err(error)).await.ok();
            }
        }
    }
}

async fn establish(
    stream: impl Transport + Unpin + 'static,
    acceptor: Option<TlsAcceptor>,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    let connection = match acceptor {
        None => Connection(Box::pin(stream)),
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => Connection(Box::pin(stream)),
            Err(error) => return tracing::warn!(%error, "refused a connection"),
        },
    };
    connections.send(Ok(connection)).await.ok();
}

pub(super) trait Transport: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Transport for T {}

/// A connection with or without TLS.
pub(super) struct Connection(Pin<Box<dyn Transport>>);

#[cfg(feature = "simulator")]
impl Connection {
    pub(super) fn over(stream: tokio::io::DuplexStream) -> Self {
        Self(Box::pin(stream))
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}
