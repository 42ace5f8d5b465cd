//! Certificates and keys inside a kubeconfig: PEM as base64, both read strictly and rewritten.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubeone_spec::Secret;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject as _, SectionKind},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::KubeconfigError;

/// A chain, or the old and the new authority side by side while one takes the place of the other.
const MOST_CERTIFICATES: usize = 8;
const BEGIN: &str = "-----BEGIN ";
/// As OpenSSL and Go break lines.
const LINE: usize = 64;

/// The blocks of a field.
pub(super) struct Blocks {
    field: String,
    blocks: Vec<(SectionKind, Secret<Vec<u8>>)>,
}

/// Takes base64 and PEM off a field. Text between the blocks is dropped.
pub(super) fn decode(field: &str, base64: &str) -> Result<Blocks, KubeconfigError> {
    let wrong = |problem| KubeconfigError::wrong(field, problem);
    let text = STANDARD.decode(base64).map(Secret::new).map_err(|_| wrong("is not base64"))?;
    let begun = std::str::from_utf8(text.expose()).map_err(|_| wrong("is not PEM"))?.matches(BEGIN).count();
    let mut blocks = Vec::new();
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.expose()) {
        let (kind, der) = block.map_err(|_| wrong("is not PEM"))?;
        blocks.push((kind, Secret::new(der)));
    }
    // The parser skips blocks of unknown kinds.
    if blocks.is_empty() || blocks.len() != begun {
        return Err(wrong("is not PEM"));
    }
    Ok(Blocks { field: field.to_owned(), blocks })
}

impl Blocks {
    /// All of them, if each is a certificate.
    pub(super) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, KubeconfigError> {
        let wrong = |problem| KubeconfigError::wrong(&self.field, problem);
        if self.blocks.len() > MOST_CERTIFICATES {
            return Err(wrong("holds too many certificates"));
        }
        let certificates = self.blocks.iter().map(|(kind, der)| {
            let is_whole = |der: &[u8]| X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty());
            if *kind != SectionKind::Certificate || !is_whole(der.expose()) {
                return Err(wrong("holds something that is not a certificate"));
            }
            Ok(CertificateDer::from(der.expose().clone()))
        });
        certificates.collect()
    }

    /// The only one, if it is a private key.
    pub(super) fn key(self) -> Result<PrivateKeyDer<'static>, KubeconfigError> {
        let wrong = |problem| KubeconfigError::wrong(&self.field, problem);
        let [(kind, der)] = self.blocks.as_slice() else { return Err(wrong("holds more than one key")) };
        PrivateKeyDer::from_pem(*kind, der.expose().clone()).ok_or_else(|| wrong("holds something that is not a key"))
    }
}

/// Certificates one after the other.
pub(super) fn certificates(certificates: &[CertificateDer<'static>]) -> String {
    certificates.iter().map(|it| block("CERTIFICATE", it)).collect()
}

pub(super) fn private_key(key: &PrivateKeyDer<'static>) -> String {
    let kind = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    block(kind, key.secret_der())
}

fn block(kind: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("{BEGIN}{kind}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "-----END " + kind + "-----\n"
}
