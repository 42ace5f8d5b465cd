//! A Kubernetes version, such as `1.35.4`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `major.minor.patch` without the leading `v`, as users and packages write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesVersion {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

impl KubernetesVersion {
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// `1.35`: the name of the minor release.
    pub fn minor_release(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

/// Why a text is not a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseVersionError(String);

impl fmt::Display for ParseVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a Kubernetes version: write major.minor.patch, such as `1.35.4`", self.0)
    }
}

impl std::error::Error for ParseVersionError {}

impl FromStr for KubernetesVersion {
    type Err = ParseVersionError;

    /// Accepts the leading `v` that Kubernetes itself prints.
    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let numbers = numbers(text.strip_prefix('v').unwrap_or(text));
        let [major, minor, patch] = numbers.ok_or_else(|| ParseVersionError(text.to_owned()))?;
        Ok(Self { major, minor, patch })
    }
}

/// The numbers of `major.minor.patch`, if the text is exactly that.
pub(crate) fn numbers(text: &str) -> Option<[u16; 3]> {
    let mut parts = text.split('.').map(number);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// A number of digits only, without leading zeros.
fn number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for KubernetesVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KubernetesVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for KubernetesVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KubernetesVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["1.35.4"] })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_and_print() {
        assert_eq!("1.35.4".parse(), Ok(KubernetesVersion::new(1, 35, 4)));
        assert_eq!("v1.36.0".parse(), Ok(KubernetesVersion::new(1, 36, 0)));
        assert_eq!(KubernetesVersion::new(1, 35, 4).to_string(), "1.35.4");
        for bad in ["", "1", "1.35", "1.35.4.1", "1.35.x", "1.035.4", "latest", "1.35.+4", "1.35.4-rc.1"] {
            assert!(bad.parse::<KubernetesVersion>().is_err(), "{bad}");
        }
    }
}
