//! Attributes whose values come from the provider, and those that never reach plan or state.

use std::collections::BTreeMap;

use crate::schema::{Attribute, AttributeKind, Block, Shape};
use crate::{Schema, Value};

/// Makes what the provider will fill in unknown: computed attributes that the configuration leaves null.
pub(super) fn with_unknowns(schema: &Schema, mut proposed: Value, config: &Value) -> Value {
    fill_block(&schema.block, &mut proposed, config);
    proposed
}

fn fill_block(block: &Block, proposed: &mut Value, config: &Value) {
    let Value::Map(members) = proposed else { return };
    fill_attributes(&block.attributes, members, config);
    for nested in &block.blocks {
        if let Some(value) = members.get_mut(&nested.name) {
            let configured = config.attribute(&nested.name);
            each_object(value, configured, nested.nesting.shape(), &mut |object, config| {
                fill_block(&nested.block, object, config);
            });
        }
    }
}

fn fill_attributes(attributes: &[Attribute], members: &mut BTreeMap<String, Value>, config: &Value) {
    for attribute in attributes {
        let configured = config.attribute(&attribute.name);
        if attribute.write_only {
            continue;
        }
        if attribute.origin.is_computed() && configured.is_null() {
            members.insert(attribute.name.clone(), Value::unknown());
        } else if let (AttributeKind::Nested { nesting, attributes }, Some(value)) =
            (&attribute.kind, members.get_mut(&attribute.name))
        {
            each_object(value, configured, nesting.shape(), &mut |object, config| {
                if let Value::Map(members) = object {
                    fill_attributes(attributes, members, config);
                }
            });
        }
    }
}

/// Makes all write-only attributes null.
pub(super) fn clear_write_only(block: &Block, value: &mut Value) {
    let Value::Map(members) = value else { return };
    clear_attributes(&block.attributes, members);
    for nested in &block.blocks {
        if let Some(value) = members.get_mut(&nested.name) {
            each_object(value, &Value::Null, nested.nesting.shape(), &mut |object, _| {
                clear_write_only(&nested.block, object);
            });
        }
    }
}

fn clear_attributes(attributes: &[Attribute], members: &mut BTreeMap<String, Value>) {
    for attribute in attributes {
        let Some(value) = members.get_mut(&attribute.name) else { continue };
        if attribute.write_only {
            *value = Value::Null;
        } else if let AttributeKind::Nested { nesting, attributes } = &attribute.kind {
            each_object(value, &Value::Null, nesting.shape(), &mut |object, _| {
                if let Value::Map(members) = object {
                    clear_attributes(attributes, members);
                }
            });
        }
    }
}

/// Visits the objects of a nested value side by side with their configuration.
///
/// Elements of lists and sets pair up by position: Terraform builds the proposed ones from the configured ones in order.
fn each_object(value: &mut Value, config: &Value, shape: Shape, visit: &mut dyn FnMut(&mut Value, &Value)) {
    match (value, shape) {
        (object @ Value::Map(_), Shape::One) => visit(object, config),
        (Value::Map(entries), Shape::ByKey) => {
            for (key, object) in entries {
                visit(object, config.attribute(key));
            }
        }
        (Value::List(elements), Shape::InOrder) => {
            let configured = config.as_list().unwrap_or_default();
            for (index, object) in elements.iter_mut().enumerate() {
                visit(object, configured.get(index).unwrap_or(&Value::Null));
            }
        }
        _ => {}
    }
}
