//! Just enough of HTTP for a probe: one request on a new connection, and whether its status is 200.
//!
//! Within this process: ten curls a second would keep a small machine busy with little else.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Whom a client trusts and who it is. Clones share what they hold.
#[derive(Debug, Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// `authority` is a certificate; `identity` is a certificate and its key. All are PEM.
    pub(super) fn new(authority: &str, identity: Option<(&str, &str)>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).context("this is no certificate")?;
        roots.add(authority).context("this certificate is no authority")?;
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .context("TLS is not available")?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>();
                let chain = chain.context("this is no certificate of a client")?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("this is no key of a client")?;
                builder.with_client_auth_cert(chain, key).context("certificate and key do not fit")?
            }
        };
        Ok(Self(Arc::new(config)))
    }
}

/// Asks, and says in a few words why there was no answer. `limit` holds for connecting, and for every answer of the server.
pub(super) fn get(tls: Option<&Tls>, server: SocketAddr, path: &str, limit: Duration) -> Result<(), String> {
    let words = |error: std::io::Error| match error.kind() {
        // What a read says that waited for longer than it may.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    };
    let stream = TcpStream::connect_timeout(&server, limit).map_err(words)?;
    stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit))).map_err(words)?;
    let status = match tls {
        None => ask(stream, server, path),
        Some(Tls(config)) => {
            let name = ServerName::from(server.ip());
            let connection = ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
            ask(StreamOwned::new(connection, stream), server, path)
        }
    };
    match status.map_err(words)?.as_str() {
        "200" => Ok(()),
        other => Err(format!("status {other}")),
    }
}

fn ask(mut stream: impl Read + Write, server: SocketAddr, path: &str) -> std::io::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    // `HTTP/1.1 200`; what follows is of no interest.
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(String::from_utf8_lossy(&start[9..]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    fn answer_with(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines: Vec<_> =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|it| !it.is_empty()).collect();
            assert_eq!(lines[0], "GET /x HTTP/1.1");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = get(None, address, "/x", Duration::from_secs(5));
        server.join().unwrap();
        result
    }

    #[test]
    fn only_status_200_is_an_answer() {
        assert_eq!(answer_with("HTTP/1.1 200 OK\r\n\r\nhello"), Ok(()));
        assert_eq!(answer_with("HTTP/1.1 503 Service Unavailable\r\n\r\n"), Err("status 503".to_owned()));
        assert!(answer_with("").is_err());
    }
}
