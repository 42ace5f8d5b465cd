//! Looks at a plan: which action on which address, and which attributes are known.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// A plan as `terraform show -json` tells it.
#[derive(Debug, Deserialize)]
pub struct Plan {
    #[serde(default)]
    resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    output_changes: BTreeMap<String, Change>,
}

#[derive(Debug, Deserialize)]
struct ResourceChange {
    address: String,
    change: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    actions: Vec<String>,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    after_unknown: Value,
}

/// What a plan promises about an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    Known(Value),
    /// `(known after apply)`
    Unknown,
    Absent,
}

impl Plan {
    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("could not read the plan")
    }

    /// The actions on each resource that something happens to, such as `create` or `delete,create`.
    pub fn actions(&self) -> BTreeMap<&str, String> {
        let changes = self.resource_changes.iter().map(|it| (it.address.as_str(), it.change.actions.join(",")));
        changes.filter(|(_, actions)| actions != "no-op" && actions != "read").collect()
    }

    /// Passes a plan with exactly these actions.
    pub fn must_do(&self, expected: &[(&str, &str)]) -> Result<()> {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(address, action)| (*address, (*action).to_owned())).collect();
        let actions = self.actions();
        ensure!(actions == expected, "the plan does {actions:#?} instead of {expected:#?}");
        Ok(())
    }

    /// Passes a plan that changes nothing, outputs included.
    pub fn must_be_empty(&self) -> Result<()> {
        self.must_do(&[])?;
        let outputs: Vec<_> = self
            .output_changes
            .iter()
            .filter(|(_, change)| change.actions != ["no-op"])
            .map(|(name, _)| name)
            .collect();
        ensure!(outputs.is_empty(), "the plan changes the outputs {outputs:?}");
        Ok(())
    }

    /// What the plan promises about the attribute at a path such as `/control_plane/control-plane-1/address`.
    pub fn attribute(&self, address: &str, path: &str) -> Result<Attribute> {
        let change = &self.resource_changes.iter().find(|it| it.address == address);
        let change = &change.with_context(|| format!("the plan has no `{address}`"))?.change;
        if is_unknown(&change.after_unknown, path) {
            return Ok(Attribute::Unknown);
        }
        Ok(change.after.pointer(path).map_or(Attribute::Absent, |value| Attribute::Known(value.clone())))
    }
}

/// `true` stands at the attribute itself, or at the first of those around it that is unknown as a whole.
fn is_unknown(unknown: &Value, path: &str) -> bool {
    let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
    ends.into_iter().any(|end| unknown.pointer(&path[..end]) == Some(&Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let change = json!({
            "actions": ["create"],
            "after": { "name": "local", "control_plane": { "a": { "address": null } } },
            "after_unknown": { "id": true, "control_plane": { "a": { "address": true } }, "status": true },
        });
        Plan::parse(&json!({ "resource_changes": [{ "address": "c.this", "change": change }] }).to_string()).unwrap()
    }

    #[test]
    fn attributes_are_known_unknown_or_absent() {
        let attribute = |path| plan().attribute("c.this", path).unwrap();
        assert_eq!(attribute("/name"), Attribute::Known(json!("local")));
        assert_eq!(attribute("/id"), Attribute::Unknown);
        assert_eq!(attribute("/control_plane/a/address"), Attribute::Unknown);
        assert_eq!(attribute("/status/nodes"), Attribute::Unknown);
        assert_eq!(attribute("/surprise"), Attribute::Absent);
    }

    #[test]
    fn actions_are_compared_as_a_whole() {
        assert!(plan().must_do(&[("c.this", "create")]).is_ok());
        assert!(plan().must_do(&[]).is_err());
        assert!(plan().must_be_empty().is_err());
    }
}
