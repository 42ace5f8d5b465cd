//! Whether the certificate that a host shows is valid for it, by the rules of OpenSSH's client.

use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};

/// Whether the authority that the certificate names has signed all of it. Whether that authority is trusted is another
/// question.
pub(super) fn is_intact(certificate: &Certificate) -> bool {
    // At the first moment of its validity nothing but the signature can be wrong.
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    certificate.validate_at(certificate.valid_after(), [&authority]).is_ok()
}

/// Whether a certificate of a trusted authority is valid for this host; or why not.
pub(super) fn check(certificate: &Certificate, host: &str, now: SystemTime) -> Result<(), &'static str> {
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| "the clock of this machine stands before 1970")?.as_secs();
    if certificate.cert_type() != CertType::Host {
        return Err("it is not one of a host");
    }
    if now < certificate.valid_after() {
        return Err("it is not valid yet");
    }
    if now >= certificate.valid_before() {
        return Err("it has expired");
    }
    // Without principals it is valid for all hosts, as `ssh-keygen` makes it without `-n`. Wildcards mean nothing in them
    // to most versions of OpenSSH, and so to us.
    let principals = certificate.valid_principals();
    if !principals.is_empty() && !principals.iter().any(|principal| principal == host) {
        return Err("it does not name this host");
    }
    if !certificate.critical_options().is_empty() {
        return Err("it has critical options, and none is known for hosts");
    }
    match certificate.signature().algorithm() {
        Algorithm::Ed25519
        | Algorithm::SkEd25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEcdsaSha2NistP256
        | Algorithm::Rsa { hash: Some(_) } => Ok(()),
        _ => Err("its authority signed it with an algorithm that is not secure any more"),
    }
}
