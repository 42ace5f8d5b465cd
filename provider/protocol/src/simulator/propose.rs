//! The state that core proposes: the configuration, completed with what the provider computed before.

use std::collections::BTreeMap;

use crate::schema::{Attribute, AttributeKind, Block, BlockNesting, Nesting};
use crate::{Schema, Value};

pub(super) fn propose(schema: &Schema, prior: &Value, config: &Value) -> Value {
    block(&schema.block, prior, config)
}

fn block(block_schema: &Block, prior: &Value, config: &Value) -> Value {
    let Value::Map(_) = config else { return config.clone() };
    let mut members = attributes(&block_schema.attributes, prior, config);
    for nested in &block_schema.blocks {
        let pairing = match nested.nesting {
            BlockNesting::Single | BlockNesting::Group => Pairing::One,
            BlockNesting::List => Pairing::ByIndex,
            BlockNesting::Map => Pairing::ByKey,
            BlockNesting::Set => Pairing::ByContent,
        };
        let inside = |prior: &Value, config: &Value| block(&nested.block, prior, config);
        let value = pair(pairing, prior.attribute(&nested.name), config.attribute(&nested.name), &inside);
        members.insert(nested.name.clone(), value);
    }
    Value::Map(members)
}

fn attributes(list: &[Attribute], prior: &Value, config: &Value) -> BTreeMap<String, Value> {
    list.iter()
        .map(|attribute| {
            let (prior, config) = (prior.attribute(&attribute.name), config.attribute(&attribute.name));
            (attribute.name.clone(), propose_attribute(attribute, prior, config))
        })
        .collect()
}

fn propose_attribute(attribute: &Attribute, prior: &Value, config: &Value) -> Value {
    if attribute.origin.is_computed() && config.is_null() {
        return prior.clone();
    }
    let AttributeKind::Nested { nesting, attributes: inner } = &attribute.kind else { return config.clone() };
    let pairing = match nesting {
        Nesting::Single => Pairing::One,
        Nesting::List => Pairing::ByIndex,
        Nesting::Map => Pairing::ByKey,
        Nesting::Set => Pairing::ByContent,
    };
    pair(pairing, prior, config, &|prior, config| match config {
        Value::Map(_) => Value::Map(attributes(inner, prior, config)),
        other => other.clone(),
    })
}

/// How elements of the configuration find their earlier selves.
#[derive(Clone, Copy)]
enum Pairing {
    One,
    ByIndex,
    ByKey,
    /// Elements of sets have no name: the earlier self is the one that the configuration could have become.
    ByContent,
}

fn pair(pairing: Pairing, prior: &Value, config: &Value, inside: &dyn Fn(&Value, &Value) -> Value) -> Value {
    match (pairing, config) {
        (Pairing::One, Value::Map(_)) => inside(prior, config),
        (Pairing::ByKey, Value::Map(entries)) => Value::Map(
            entries.iter().map(|(key, config)| (key.clone(), inside(prior.attribute(key), config))).collect(),
        ),
        (Pairing::ByIndex, Value::List(elements)) => {
            let prior = prior.as_list().unwrap_or_default();
            let pairs = elements.iter().enumerate();
            Value::List(pairs.map(|(at, config)| inside(prior.get(at).unwrap_or(&Value::Null), config)).collect())
        }
        (Pairing::ByContent, Value::List(elements)) => {
            let candidates = prior.as_list().unwrap_or_default();
            let earlier = |config: &Value| candidates.iter().find(|prior| inside(prior, config) == **prior);
            Value::List(elements.iter().map(|config| inside(earlier(config).unwrap_or(&Value::Null), config)).collect())
        }
        _ => config.clone(),
    }
}

/// The configuration as core decodes it: every attribute present, empty collections for absent blocks.
pub(super) fn complete(schema: &Schema, config: Value) -> Value {
    complete_block(&schema.block, config).canonical(&schema.ty())
}

fn complete_block(schema: &Block, config: Value) -> Value {
    let Value::Map(mut members) = config else { return config };
    for nested in &schema.blocks {
        let value = members.remove(&nested.name).unwrap_or_default();
        let value = match (nested.nesting, value) {
            (BlockNesting::List | BlockNesting::Set, Value::Null) => Value::List(Vec::new()),
            (BlockNesting::Map, Value::Null) => Value::Map(BTreeMap::new()),
            (BlockNesting::Group, Value::Null) => {
                complete_block(&nested.block, Value::Map(BTreeMap::new())).canonical(&nested.block.ty())
            }
            (BlockNesting::List | BlockNesting::Set, Value::List(elements)) => {
                Value::List(elements.into_iter().map(|element| complete_block(&nested.block, element)).collect())
            }
            (BlockNesting::Map, Value::Map(entries)) => Value::Map(
                entries.into_iter().map(|(key, element)| (key, complete_block(&nested.block, element))).collect(),
            ),
            (_, value) => complete_block(&nested.block, value),
        };
        members.insert(nested.name.clone(), value);
    }
    Value::Map(members)
}
