//! What is read of certificates: when they end, and whom they name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::pem::{Pem, parse_x509_pem};

use super::limits;

/// The ends of certificates that can be read; the others are as good as absent.
pub(super) fn ends(der_as_base64: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let end = |(path, text): (&String, &String)| Some((path.clone(), end(text)?));
    der_as_base64.iter().filter_map(end).collect()
}

/// Of a certificate itself: its file may hold comments, or be written in another way.
pub(super) fn sha256(base64: &str) -> Option<String> {
    let der = STANDARD.decode(base64).ok()?;
    parse_x509_certificate(&der).ok()?;
    Some(sha256_of_der(&der))
}

/// The same, of the first certificate in a PEM file.
pub(super) fn sha256_of_pem(pem: &str) -> Option<String> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    Some(sha256_of_der(&pem.contents))
}

/// The same, of all certificates in a PEM file.
pub(super) fn sha256_of_all(pem: &str) -> BTreeSet<String> {
    let certificates = Pem::iter_from_buffer(pem.as_bytes()).map_while(Result::ok);
    certificates.filter(|it| it.label == "CERTIFICATE").map(|it| sha256_of_der(&it.contents)).collect()
}

pub(crate) fn sha256_of_der(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

/// DNS names and IP addresses for which a server's certificate speaks.
pub(super) fn names(base64: &str) -> Vec<String> {
    let name = |name: &GeneralName| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    let read = || {
        let der = STANDARD.decode(base64).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        let names = &certificate.subject_alternative_name().ok()??.value.general_names;
        Some(names.iter().filter_map(name).filter(|name| limits::is_server_name(name)).collect())
    };
    read().unwrap_or_default()
}

fn end(base64: &str) -> Option<String> {
    let der = STANDARD.decode(base64).ok()?;
    let (_, certificate) = parse_x509_certificate(&der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok().map(|end| end.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let pem = include_str!("../testdata/ca.crt");
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let seen = BTreeMap::from([("ca.crt".to_owned(), base64), ("broken.crt".to_owned(), "AAAA".to_owned())]);
        let ends = ends(&seen);
        assert_eq!(ends.len(), 1);
        assert!(ends["ca.crt"].ends_with('Z'), "{ends:?}");
    }

    #[test]
    fn the_names_of_a_server_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let wanted = ["kubernetes.default", "api.example.com", "10.96.0.1", "2001:db8::1"].map(str::to_owned);
        let certificate = rcgen::CertificateParams::new(wanted.to_vec()).unwrap().self_signed(&key).unwrap();
        assert_eq!(names(&STANDARD.encode(certificate.der())), wanted);
        assert_eq!(names("AAAA"), [""; 0]);
    }

    #[test]
    fn a_certificate_is_the_same_however_it_is_written() {
        let pem = include_str!("../testdata/ca.crt");
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let hash = sha256(&base64);
        assert!(hash.is_some());
        assert_eq!(sha256_of_pem(pem), hash);
        assert_eq!(sha256_of_pem(&format!("Certificate:\n    Data:\n{pem}")), hash);
        assert_eq!((sha256("AAAA"), sha256_of_pem("nothing")), (None, None));
    }
}
