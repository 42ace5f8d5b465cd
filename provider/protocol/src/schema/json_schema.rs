//! Schemas from JSON Schema, so that a Rust struct with `schemars` is the one home of its fields.

mod convert;

use serde_json::Value as Json;

use super::Schema;

/// Why a JSON Schema has no counterpart in Terraform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot turn `{field}` into a Terraform attribute: {reason}")]
pub struct JsonSchemaError {
    /// The field, from the root; map and list elements are `*`.
    pub field: String,
    pub reason: String,
}

impl Schema {
    /// Turns the root schema of an object into attributes.
    ///
    /// | JSON Schema | Terraform |
    /// |---|---|
    /// | property in `required` | required attribute, otherwise optional |
    /// | `string`, enums of strings | string |
    /// | `integer`, `number` | number |
    /// | `boolean` | bool |
    /// | object with `properties` | nested attributes |
    /// | object with `additionalProperties` | map, or nested attributes by key |
    /// | array, with `uniqueItems` | list or set, or nested attributes |
    /// | `["T", "null"]`, `anyOf` with null | the same as `T` |
    /// | `description`, `default`, `deprecated` | description in Markdown, deprecation |
    ///
    /// Extensions on a property say what JSON Schema cannot: `x-computed`, `x-optional-computed`, `x-sensitive` and
    /// `x-write-only`, each with the value `true`.
    pub fn from_json_schema(root: &Json) -> Result<Self, JsonSchemaError> {
        convert::schema(root)
    }
}
