//! Mutual TLS between two processes that have never met: each side pins the certificate the other one announced.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::pinned::PinnedPeer;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the client certificate is not PEM")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    #[error("could not make a certificate")]
    OwnCertificate(#[source] rcgen::Error),
    #[error("could not set up TLS")]
    Setup(#[source] rustls::Error),
}

/// A certificate for this run only, and a server that accepts one client only.
pub(super) struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificate: CertificateDer<'static>,
}

pub(super) fn server_tls(client_certificate_pem: &str) -> Result<ServerTls, TlsError> {
    let client =
        CertificateDer::from_pem_slice(client_certificate_pem.as_bytes()).map_err(TlsError::ClientCertificate)?;
    let (certificate, key) = own_certificate().map_err(TlsError::OwnCertificate)?;
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = PinnedPeer::new(client, &crypto);
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_client_cert_verifier(Arc::new(verifier)).with_single_cert(vec![certificate.clone()], key)
        })
        .map_err(TlsError::Setup)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(ServerTls { config: Arc::new(config), certificate })
}

/// P-256, because making it takes less than a millisecond.
fn own_certificate() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
    parameters.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into())))
}

#[cfg(test)]
#[cfg(all(unix, feature = "simulator"))]
mod tests {
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::simulator::{ClientIdentity, client_tls};

    /// Whether a client with this certificate can talk to a server that expects `announced`.
    async fn is_accepted(announced: &ClientIdentity, presented: Option<ClientIdentity>) -> bool {
        let server = server_tls(&announced.pem).unwrap();
        let client = client_tls(server.certificate.to_vec(), presented).unwrap();
        let (near, far) = tokio::io::duplex(1 << 16);
        let accept = async move {
            let mut stream = TlsAcceptor::from(server.config).accept(far).await?;
            stream.write_all(b"welcome").await?;
            stream.shutdown().await
        };
        let connect = async move {
            let connector = TlsConnector::from(Arc::new(client));
            let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), near).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.map(|_| text == "welcome")
        };
        let (accepted, connected) = tokio::join!(accept, connect);
        accepted.is_ok() && connected.unwrap_or_default()
    }

    #[tokio::test]
    async fn only_the_announced_client_gets_in() {
        let announced = ClientIdentity::generate().unwrap();
        assert!(is_accepted(&announced, Some(announced.clone())).await);
        assert!(!is_accepted(&announced, None).await, "no certificate");
        let stranger = ClientIdentity::generate().unwrap();
        assert!(!is_accepted(&announced, Some(stranger)).await, "another certificate");
    }
}
