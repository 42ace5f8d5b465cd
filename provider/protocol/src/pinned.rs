//! A peer that is known by its certificate, byte for byte: Terraform and its plugins tell each other theirs beforehand.

use rustls::client::danger::HandshakeSignatureValid;
#[cfg(feature = "simulator")]
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
#[cfg(feature = "simulator")]
use rustls::pki_types::ServerName;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

type Verified = Result<HandshakeSignatureValid, rustls::Error>;

/// Accepts the one certificate that the peer announced.
///
/// Terraform's is a CA certificate used as an end-entity certificate, which the usual verification refuses. It is signed
/// with P-521, which the `ring` backend does not know: there, Terraform sends no certificate at all.
#[derive(Debug)]
pub(crate) struct PinnedPeer {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedPeer {
    pub(crate) fn new(certificate: CertificateDer<'static>, crypto: &CryptoProvider) -> Self {
        Self { certificate, algorithms: crypto.signature_verification_algorithms }
    }

    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if *presented == self.certificate {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn tls12(&self, message: &[u8], certificate: &CertificateDer<'_>, signature: &DigitallySignedStruct) -> Verified {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn tls13(&self, message: &[u8], certificate: &CertificateDer<'_>, signature: &DigitallySignedStruct) -> Verified {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

impl ClientCertVerifier for PinnedPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], of: &CertificateDer<'_>, it: &DigitallySignedStruct) -> Verified {
        self.tls12(message, of, it)
    }

    fn verify_tls13_signature(&self, message: &[u8], of: &CertificateDer<'_>, it: &DigitallySignedStruct) -> Verified {
        self.tls13(message, of, it)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(feature = "simulator")]
impl ServerCertVerifier for PinnedPeer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], of: &CertificateDer<'_>, it: &DigitallySignedStruct) -> Verified {
        self.tls12(message, of, it)
    }

    fn verify_tls13_signature(&self, message: &[u8], of: &CertificateDer<'_>, it: &DigitallySignedStruct) -> Verified {
        self.tls13(message, of, it)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
