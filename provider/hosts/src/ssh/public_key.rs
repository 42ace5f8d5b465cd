//! Public keys of hosts: read, written as known_hosts has them, and named in messages.

use russh::keys::{Algorithm, HashAlg, PublicKey, ssh_key};

/// OpenSSH takes no RSA key that is shorter.
const SHORTEST_RSA_BITS: usize = 1024;

/// Reads `ssh-ed25519 AAAA…`, with or without a comment.
pub(super) fn parse(text: &str) -> Result<PublicKey, ssh_key::Error> {
    PublicKey::from_openssh(text.trim())
}

/// `ssh-ed25519 AAAA…` without a comment.
pub(super) fn known_hosts_form(key: &PublicKey) -> String {
    PublicKey::new(key.key_data().clone(), "").to_openssh().unwrap_or_default().trim_end().to_owned()
}

/// A public host key in the form that the state keeps, without a comment; `None` when it is none.
pub fn normalized_host_key(text: &str) -> Option<String> {
    parse(text).ok().map(|key| known_hosts_form(&key))
}

/// What `ssh-keygen -l` prints: the kind of key and its SHA-256.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// Whether both are of one kind, such as ECDSA over the same curve.
pub(super) fn is_same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    match (one, other) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (one, other) => one == other,
    }
}

/// Whether this is an RSA key that is too weak to rely on.
pub(super) fn is_too_short(key: &PublicKey) -> bool {
    let modulus = key.key_data().rsa().and_then(|rsa| rsa.n().as_positive_bytes());
    modulus.is_some_and(|modulus| {
        let leading = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        modulus.len() * 8 - leading < SHORTEST_RSA_BITS
    })
}
