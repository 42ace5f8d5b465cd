//! Values in place of those that are not known yet, so that the rest of the settings can be read and checked.

use kubeone_spec::{FieldPath, Step};
use serde_json::{Map, Value as Json, json};

use super::{element, map_values, properties};

/// A value that decodes at this place of the schema. What it is must not matter: findings about it are dropped.
pub(super) fn stand_in(root: &Json, path: &FieldPath) -> Json {
    let schema = path.0.iter().try_fold(root, |schema, step| match step {
        Step::Field(name) => element(schema, name),
        Step::Key(_) => map_values(schema),
        Step::Index(_) => Some(&schema["items"]),
    });
    schema.map_or(Json::Null, value_of)
}

fn value_of(schema: &Json) -> Json {
    let stated = [&schema["examples"][0], &schema["default"], &schema["const"], &schema["enum"][0]];
    if let Some(value) = stated.into_iter().find(|value| !value.is_null()) {
        return value.clone();
    }
    if let Some(first) = ["oneOf", "anyOf"].iter().find_map(|choice| schema[choice].get(0)) {
        return value_of(first);
    }
    match kind(schema) {
        Some("string") => json!(""),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("object") => required_properties(schema),
        _ => Json::Null,
    }
}

/// The type's name; of `["string", "null"]` the first.
fn kind(schema: &Json) -> Option<&str> {
    schema["type"].as_str().or_else(|| schema["type"][0].as_str())
}

fn required_properties(schema: &Json) -> Json {
    let (Some(properties), Some(required)) = (properties(schema), schema["required"].as_array()) else {
        return json!({});
    };
    let names = required.iter().filter_map(Json::as_str);
    Json::Object(names.map(|name| (name.to_owned(), value_of(&properties[name]))).collect::<Map<_, _>>())
}
