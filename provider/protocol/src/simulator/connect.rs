//! Connecting as Terraform connects: a self-signed P-521 CA certificate as client certificate, the server's pinned.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::DuplexStream;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;
use crate::pinned::PinnedPeer;

pub(crate) struct ClientIdentity {
    pub(crate) pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

#[cfg(test)]
impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self { pem: self.pem.clone(), certificate: self.certificate.clone(), key: self.key.clone_key() }
    }
}

impl ClientIdentity {
    pub(crate) fn generate() -> Result<Self, Failure> {
        Self::try_generate().map_err(Failure::Certificate)
    }

    fn try_generate() -> Result<Self, rcgen::Error> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512)?;
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }
}

/// Without an identity, as a stranger on the same machine would connect.
pub(crate) fn client_tls(server: Vec<u8>, identity: Option<ClientIdentity>) -> Result<ClientConfig, rustls::Error> {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = PinnedPeer::new(server.into(), &crypto);
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(vec![identity.certificate], identity.key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

pub(super) async fn connect(address: String, server: Vec<u8>, identity: ClientIdentity) -> Result<Channel, Failure> {
    let connector = TlsConnector::from(Arc::new(client_tls(server, Some(identity)).map_err(Failure::Tls)?));
    // TLS is ours: the scheme only keeps tonic from adding its own.
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let (connector, address) = (connector.clone(), address.clone());
            async move {
                let stream = UnixStream::connect(address).await?;
                connector.connect(ServerName::from(std::net::Ipv4Addr::LOCALHOST), stream).await.map(TokioIo::new)
            }
        }))
        .await
        .map_err(Failure::Connect)
}

/// Over a stream in memory, which can be lost only once: there is no second one.
pub(super) async fn connect_over(stream: DuplexStream) -> Result<Channel, Failure> {
    let stream = Arc::new(Mutex::new(Some(stream)));
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move { stream.map(TokioIo::new).ok_or(io::Error::from(io::ErrorKind::NotConnected)) }
        }))
        .await
        .map_err(Failure::Connect)
}
