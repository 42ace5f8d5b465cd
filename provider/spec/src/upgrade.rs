//! How nodes are upgraded to another Kubernetes version.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How nodes are upgraded when `kubernetes_version` changes. Control planes are always upgraded one at a time, before
/// the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upgrade {
    /// How many workers may be upgraded at the same time: a number, or a percentage of all workers such as `25%`,
    /// rounded down but at least one.
    pub max_unavailable: MaxUnavailable,
    /// When nodes are drained before their kubelet is upgraded: `minor` for another minor release, as Kubernetes
    /// requires; `always` for patch releases too; `never` to leave pods where they are.
    pub drain: UpgradeDrain,
}

/// When nodes are drained during an upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UpgradeDrain {
    #[default]
    Minor,
    Always,
    Never,
}

/// A number of nodes, or a percentage of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxUnavailable {
    Nodes(usize),
    Percent(usize),
}

impl Default for MaxUnavailable {
    fn default() -> Self {
        Self::Nodes(1)
    }
}

impl MaxUnavailable {
    /// How many of `nodes` nodes may be unavailable at the same time.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Self::Nodes(count) => count,
            Self::Percent(percent) => nodes * percent / 100,
        }
        .max(1)
    }
}

impl std::str::FromStr for MaxUnavailable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error =
            || format!("`{text}` is not a number of nodes: write a number such as `2`, or a percentage such as `25%`");
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if plain { text.parse::<usize>().ok() } else { None }.filter(|number| *number > 0).ok_or_else(error)
        };
        match text.strip_suffix('%') {
            Some(share) => Some(number(share)?).filter(|share| *share <= 100).map(Self::Percent).ok_or_else(error),
            None => Ok(Self::Nodes(number(text)?)),
        }
    }
}

impl std::fmt::Display for MaxUnavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nodes(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for MaxUnavailable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MaxUnavailable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MaxUnavailable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MaxUnavailable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["1", "25%"] })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_shares_are_read() {
        let of = |text: &str, nodes| text.parse::<MaxUnavailable>().unwrap().of(nodes);
        assert_eq!((of("2", 10), of("25%", 10), of("10%", 3), of("100%", 3)), (2, 2, 1, 3));
        assert_eq!("25%".parse::<MaxUnavailable>().unwrap().to_string(), "25%");
        for bad in ["", "0", "0%", "101%", "-1", "1.5", "all", "%"] {
            assert!(bad.parse::<MaxUnavailable>().is_err(), "{bad}");
        }
    }
}
