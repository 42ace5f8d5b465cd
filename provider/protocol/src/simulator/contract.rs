//! The rules that core holds plans and results against.

use super::{Failure, Rule};
use crate::schema::{Attribute, AttributeKind, Block, Shape};
use crate::{AttributePath, Schema, Step, Type, Value};

/// A plan follows the configuration, except for what the provider computes.
pub(super) fn check_plan(schema: &Schema, prior: &Value, config: &Value, planned: &Value) -> Result<(), Failure> {
    check_block(&schema.block, prior, config, planned, &AttributePath::root())
}

fn check_block(
    block: &Block,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &AttributePath,
) -> Result<(), Failure> {
    check_attributes(&block.attributes, prior, config, planned, path)?;
    for nested in &block.blocks {
        let path = path.clone().attribute(&nested.name);
        let [prior, config, planned] = [prior, config, planned].map(|value| value.attribute(&nested.name));
        check_objects(nested.nesting.shape(), prior, config, planned, &path, &|prior, config, planned, path| {
            check_block(&nested.block, prior, config, planned, path)
        })?;
    }
    Ok(())
}

fn check_attributes(
    attributes: &[Attribute],
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &AttributePath,
) -> Result<(), Failure> {
    for attribute in attributes {
        let path = path.clone().attribute(&attribute.name);
        let [prior, config, planned] = [prior, config, planned].map(|value| value.attribute(&attribute.name));
        check_attribute(attribute, prior, config, planned, &path)?;
    }
    Ok(())
}

fn check_attribute(
    attribute: &Attribute,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &AttributePath,
) -> Result<(), Failure> {
    let ty = attribute.ty();
    if attribute.write_only {
        return if planned.is_null() { Ok(()) } else { Err(Rule::WriteOnlyStaysOut.violated_at(path)) };
    }
    let is_free = attribute.origin.is_computed() && config.is_null();
    if is_free || planned.equivalent(config, &ty) {
        return Ok(());
    }
    if config.is_null() {
        return Err(Rule::PlanInventsNothing.violated_at(path));
    }
    // The same thing in other words, such as a normalised spelling, may stay as it was.
    if planned.equivalent(prior, &ty) {
        return Ok(());
    }
    match &attribute.kind {
        AttributeKind::Nested { nesting, attributes } => {
            check_objects(nesting.shape(), prior, config, planned, path, &|prior, config, planned, path| {
                check_attributes(attributes, prior, config, planned, path)
            })
        }
        AttributeKind::Plain(_) => Err(Rule::PlanFollowsConfig.violated_at(path)),
    }
}

type CheckObject<'a> = &'a dyn Fn(&Value, &Value, &Value, &AttributePath) -> Result<(), Failure>;

fn check_objects(
    shape: Shape,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &AttributePath,
    check: CheckObject<'_>,
) -> Result<(), Failure> {
    let deviates = || Err(Rule::PlanFollowsConfig.violated_at(path));
    match (shape, config, planned) {
        (Shape::One, Value::Map(_), Value::Map(_)) => check(prior, config, planned, path),
        (Shape::ByKey, Value::Map(configured), Value::Map(entries)) => {
            if !configured.keys().eq(entries.keys()) {
                return deviates();
            }
            entries.iter().try_for_each(|(key, planned)| {
                check(prior.attribute(key), config.attribute(key), planned, &path.clone().key(key))
            })
        }
        (Shape::InOrder, Value::List(configured), Value::List(elements)) => {
            if configured.len() != elements.len() {
                return deviates();
            }
            // The order of sets is free, so any configured element may be the one that was meant.
            let earlier = prior.as_list().unwrap_or_default();
            elements.iter().enumerate().try_for_each(|(index, planned)| {
                let prior = earlier.get(index).unwrap_or(&Value::Null);
                let path = path.clone().index(index);
                let in_place = check(prior, &configured[index], planned, &path);
                in_place.or_else(|failure| {
                    let mut others = configured.iter();
                    others.any(|config| check(prior, config, planned, &path).is_ok()).then_some(()).ok_or(failure)
                })
            })
        }
        _ if config == planned => Ok(()),
        _ => deviates(),
    }
}

/// What was known before stays as it was; what was unknown may become anything within its promises.
pub(super) fn check_promises(rule: Rule, ty: &Type, promised: &Value, actual: &Value) -> Result<(), Failure> {
    compare(rule, ty, promised, actual, &AttributePath::root())
}

fn compare(rule: Rule, ty: &Type, promised: &Value, actual: &Value, path: &AttributePath) -> Result<(), Failure> {
    let broken = || Err(rule.violated_at(path));
    match (promised, actual, ty) {
        (Value::Unknown(known), actual, _) => {
            let never_null = known.as_ref().is_some_and(|known| known.null == Some(false));
            if never_null && actual.is_null() { broken() } else { Ok(()) }
        }
        (Value::Map(expected), Value::Map(found), ty) => {
            if !expected.keys().eq(found.keys()) {
                return broken();
            }
            expected.iter().try_for_each(|(name, promised)| {
                let step = ty.step_to(name);
                let ty = ty.descend(&step).unwrap_or(&Type::Dynamic);
                compare(rule, ty, promised, &found[name], &path.clone().step(step))
            })
        }
        (Value::List(expected), Value::List(found), Type::Set(element)) => {
            // An element with unknown parts may become equal to another one.
            let is_there =
                |promised: &Value| found.iter().any(|actual| compare(rule, element, promised, actual, path).is_ok());
            let is_expected =
                |actual: &Value| expected.iter().any(|promised| compare(rule, element, promised, actual, path).is_ok());
            if expected.iter().all(is_there) && found.iter().all(is_expected) { Ok(()) } else { broken() }
        }
        (Value::List(expected), Value::List(found), ty) => {
            if expected.len() != found.len() {
                return broken();
            }
            (0..).zip(expected.iter().zip(found)).try_for_each(|(index, (promised, actual))| {
                let step = Step::Index(index);
                let ty = ty.descend(&step).unwrap_or(&Type::Dynamic);
                compare(rule, ty, promised, actual, &path.clone().step(step))
            })
        }
        (Value::Dynamic(expected), Value::Dynamic(found), _) => {
            compare(rule, &expected.ty, &expected.value, &found.value, path)
        }
        _ if promised == actual => Ok(()),
        _ => broken(),
    }
}

/// Nothing may be unknown in a state.
pub(super) fn check_known(rule: Rule, ty: &Type, value: &Value) -> Result<(), Failure> {
    match value.unknown_paths(ty).first() {
        Some(path) => Err(rule.violated_at(path)),
        None => Ok(()),
    }
}

/// No write-only attribute may have a value in a state.
pub(super) fn check_write_only(schema: &Schema, value: &Value) -> Result<(), Failure> {
    match crate::plan::write_only_paths(schema, value).first() {
        Some(path) => Err(Rule::WriteOnlyStaysOut.violated_at(path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Nesting;

    fn schema() -> Schema {
        Schema::new([
            Attribute::string("name").required(),
            Attribute::string("note"),
            Attribute::string("id").computed(),
            Attribute::number("limit").optional_computed(),
            Attribute::string("password").write_only(),
            Attribute::nested(
                "items",
                Nesting::Map,
                [Attribute::string("color"), Attribute::string("serial").computed()],
            ),
            Attribute::nested("marks", Nesting::Set, [Attribute::string("text"), Attribute::string("id").computed()]),
        ])
    }

    fn violation(result: Result<(), Failure>) -> Option<(Rule, String)> {
        match result {
            Ok(()) => None,
            Err(Failure::Violated { rule, path }) => Some((rule, path.to_string())),
            Err(other) => unreachable!("{other}"),
        }
    }

    #[track_caller]
    fn check(config: serde_json::Value, planned: impl Into<Value>, expected: Option<(Rule, &str)>) {
        let prior = Value::from(json!({ "name": "A", "limit": 1 }));
        let found = violation(check_plan(&schema(), &prior, &config.into(), &planned.into()));
        assert_eq!(found, expected.map(|(rule, path)| (rule, path.to_owned())));
    }

    #[test]
    fn plans_follow_the_configuration() {
        let config = || json!({ "name": "a" });
        check(config(), json!({ "name": "a", "id": "7", "limit": 3 }), None);
        check(config(), json!({ "name": "A" }), None);
        check(config(), json!({ "name": "b" }), Some((Rule::PlanFollowsConfig, "name")));
        check(config(), json!({ "name": "a", "note": "x" }), Some((Rule::PlanInventsNothing, "note")));
        check(config(), Value::object([("name", Value::unknown())]), Some((Rule::PlanFollowsConfig, "name")));
        check(
            json!({ "name": "a", "limit": 2 }),
            json!({ "name": "a", "limit": 3 }),
            Some((Rule::PlanFollowsConfig, "limit")),
        );
        let with_password = json!({ "name": "a", "password": "p" });
        check(with_password.clone(), with_password, Some((Rule::WriteOnlyStaysOut, "password")));
    }

    #[test]
    fn plans_follow_the_configuration_inside_nested_attributes() {
        let config = || json!({ "name": "a", "items": { "x": { "color": "red" } }, "marks": [{ "text": "m" }, { "text": "n" }] });
        let planned = |items, marks| json!({ "name": "a", "items": items, "marks": marks });
        let items = || json!({ "x": { "color": "red", "serial": "1" } });
        let marks = || json!([{ "text": "n", "id": "2" }, { "text": "m", "id": "1" }]);
        check(config(), planned(items(), marks()), None);
        let blue = json!({ "x": { "color": "blue" } });
        check(config(), planned(blue, marks()), Some((Rule::PlanFollowsConfig, r#"items["x"].color"#)));
        check(config(), planned(json!({}), marks()), Some((Rule::PlanFollowsConfig, "items")));
        check(config(), planned(items(), json!([{ "text": "m" }])), Some((Rule::PlanFollowsConfig, "marks")));
        let other = json!([{ "text": "m" }, { "text": "o" }]);
        check(config(), planned(items(), other), Some((Rule::PlanFollowsConfig, "marks[1].text")));
    }

    #[test]
    fn results_keep_promises() {
        let rule = Rule::ApplyKeepsPromises;
        let ty = Type::object([("a", Type::list(Type::Number)), ("s", Type::set(Type::String))]);
        let broken_at = |promised: Value, actual: serde_json::Value| {
            violation(check_promises(rule, &ty, &promised, &actual.into())).map(|(_, path)| path)
        };
        let promised = |a: Value, s: Value| Value::object([("a", a), ("s", s)]);
        let numbers = || Value::list([1_i64, 2]);
        let words = || Value::list(["x", "y"]);
        assert_eq!(broken_at(promised(numbers(), words()), json!({ "a": [1, 2], "s": ["y", "x"] })), None);
        assert_eq!(broken_at(promised(Value::unknown(), words()), json!({ "a": null, "s": ["y", "x"] })), None);
        let never_null = promised(Value::unknown_not_null(), words());
        assert_eq!(broken_at(never_null, json!({ "a": null, "s": ["y", "x"] })).as_deref(), Some("a"));
        let changed = json!({ "a": [1, 3], "s": ["x", "y"] });
        assert_eq!(broken_at(promised(numbers(), words()), changed).as_deref(), Some("a[1]"));
        let longer = json!({ "a": [1, 2, 3], "s": ["x", "y"] });
        assert_eq!(broken_at(promised(numbers(), words()), longer).as_deref(), Some("a"));
        let more_words = json!({ "a": [1, 2], "s": ["x", "y", "z"] });
        assert_eq!(broken_at(promised(numbers(), words()), more_words).as_deref(), Some("s"));
    }

    #[test]
    fn states_are_wholly_known_and_without_write_only_values() {
        let unknown = Value::object([("name", Value::unknown())]);
        let found = violation(check_known(Rule::ApplyKnowsAll, &schema().ty(), &unknown));
        assert_eq!(found, Some((Rule::ApplyKnowsAll, "name".to_owned())));
        let secret = Value::from(json!({ "name": "a", "password": "p" }));
        assert_eq!(
            violation(check_write_only(&schema(), &secret)),
            Some((Rule::WriteOnlyStaysOut, "password".to_owned()))
        );
    }
}
