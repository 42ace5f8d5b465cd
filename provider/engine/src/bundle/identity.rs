//! The private keys that open encrypted bundles.

use std::fmt;
use std::str::FromStr as _;

use kubeone_spec::Secret;

/// A private key of age. It does not print.
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

/// Why a text is no private key. The text itself is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("this is not a private key of age: {reason}")]
pub struct IdentityError {
    reason: String,
}

impl Identity {
    /// The keys of a text with one in each line, as `age-keygen` writes it: lines that begin with `#` are comments.
    pub fn parse_all(text: &Secret<String>) -> Result<Vec<Self>, IdentityError> {
        let lines = text.expose().lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<Self> = keys.map(Self::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(IdentityError { reason: "there is none".to_owned() }) } else { Ok(keys) }
    }

    fn parse(key: &str) -> Result<Self, IdentityError> {
        let refused = |reason: &str| IdentityError { reason: reason.to_owned() };
        age::x25519::Identity::from_str(key).map(Self).map_err(refused)
    }

    pub(super) fn as_age(&self) -> &dyn age::Identity {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
