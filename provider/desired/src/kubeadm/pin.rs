//! The hash by which a joining host knows the cluster's CA.

use sha2::{Digest, Sha256};
use x509_parser::pem::parse_x509_pem;

use crate::DesiredError;

/// `sha256:` and the hash of the certificate's public key, as kubeadm's `caCertHashes` wants it.
pub fn public_key_pin(certificate_pem: &[u8]) -> Result<String, DesiredError> {
    let unreadable =
        |reason: String| DesiredError::Unreadable { what: "the certificate of the cluster's CA".to_owned(), reason };
    let (_, pem) = parse_x509_pem(certificate_pem).map_err(|error| unreadable(error.to_string()))?;
    let certificate = pem.parse_x509().map_err(|error| unreadable(error.to_string()))?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(certificate.public_key().raw))))
}
