//! From a state back to the configuration that leads to it.

use std::collections::BTreeMap;

use crate::schema::{Attribute, AttributeKind, Block, Origin, Shape};
use crate::{Schema, Value};

/// The state without what only the provider can set. For `terraform plan -generate-config-out`.
///
/// Deprecated attributes are left out unless required, so that the generated configuration causes no warnings.
pub fn config_from_state(schema: &Schema, state: &Value) -> Value {
    block_config(&schema.block, state)
}

fn block_config(block: &Block, state: &Value) -> Value {
    let Value::Map(members) = state else { return state.clone() };
    let mut config = attributes_config(&block.attributes, members);
    for nested in &block.blocks {
        let value = members.get(&nested.name).unwrap_or(&Value::Null);
        let value = if nested.block.computed {
            Value::Null
        } else {
            map_objects(value, nested.nesting.shape(), &|object| block_config(&nested.block, object))
        };
        config.insert(nested.name.clone(), value);
    }
    Value::Map(config)
}

fn attributes_config(attributes: &[Attribute], members: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    attributes
        .iter()
        .map(|attribute| {
            let value = members.get(&attribute.name).unwrap_or(&Value::Null);
            (attribute.name.clone(), attribute_config(attribute, value))
        })
        .collect()
}

fn attribute_config(attribute: &Attribute, value: &Value) -> Value {
    let avoidable = attribute.deprecated.is_some() && attribute.origin != Origin::Required;
    if !attribute.origin.is_settable() || attribute.write_only || avoidable {
        return Value::Null;
    }
    match &attribute.kind {
        AttributeKind::Plain(_) => value.clone(),
        AttributeKind::Nested { nesting, attributes } => map_objects(value, nesting.shape(), &|object| match object {
            Value::Map(members) => Value::Map(attributes_config(attributes, members)),
            other => other.clone(),
        }),
    }
}

fn map_objects(value: &Value, shape: Shape, convert: &dyn Fn(&Value) -> Value) -> Value {
    match (value, shape) {
        (Value::Map(_), Shape::One) => convert(value),
        (Value::Map(entries), Shape::ByKey) => {
            Value::Map(entries.iter().map(|(key, object)| (key.clone(), convert(object))).collect())
        }
        (Value::List(elements), Shape::InOrder) => Value::List(elements.iter().map(convert).collect()),
        _ => value.clone(),
    }
}
