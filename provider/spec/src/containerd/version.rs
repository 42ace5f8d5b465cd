//! A version of containerd, such as `2.2.5`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::version::numbers;

/// `major.minor.patch`, as packages write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerdVersion {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

impl ContainerdVersion {
    /// Whether both belong to the same minor release, so that one is a patch release of the other.
    pub fn is_same_minor(self, other: Self) -> bool {
        (self.major, self.minor) == (other.major, other.minor)
    }
}

impl FromStr for ContainerdVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is not a containerd version: write major.minor.patch, such as `2.2.5`");
        let [major, minor, patch] = numbers(text).ok_or_else(error)?;
        Ok(Self { major, minor, patch })
    }
}

impl fmt::Display for ContainerdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for ContainerdVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContainerdVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ContainerdVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContainerdVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["2.2.5"] })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_print_and_compare() {
        let version = |text: &str| text.parse::<ContainerdVersion>().unwrap();
        assert_eq!(version("2.2.5").to_string(), "2.2.5");
        assert!(version("2.2.10") > version("2.2.9") && version("2.10.0") > version("2.9.9"));
        assert!(version("2.2.5").is_same_minor(version("2.2.9")) && !version("2.2.5").is_same_minor(version("2.3.5")));
        for bad in
            ["", "2", "2.2", "2.2.", "2.2.5.1", "v2.2.5", "2.2.5-1", "2.2.5~rc.1", "2.02.5", "2.2.+5", "2.2.99999"]
        {
            assert!(bad.parse::<ContainerdVersion>().is_err(), "{bad}");
        }
    }
}
