//! Settings that cannot change once the cluster exists: those marked `x-immutable` where they are defined.

use std::collections::BTreeSet;

use kubeone_spec::FieldPath;
use serde_json::Value as Json;

use super::{map_values, properties};

/// The marked settings that differ. Both sides hold defaults where the user wrote nothing.
pub(super) fn changes(schema: &Json, prior: &Json, wanted: &Json) -> Vec<FieldPath> {
    let mut found = Vec::new();
    compare(schema, prior, wanted, &FieldPath::default(), &mut found);
    found
}

fn compare(schema: &Json, prior: &Json, wanted: &Json, path: &FieldPath, found: &mut Vec<FieldPath>) {
    if schema["x-immutable"] == true {
        if prior != wanted {
            found.push(path.clone());
        }
        return;
    }
    for (name, property) in properties(schema).into_iter().flatten() {
        compare(property, &prior[name], &wanted[name], &path.clone().field(name), found);
    }
    if let (Some(values), Some(prior), Some(wanted)) = (map_values(schema), prior.as_object(), wanted.as_object()) {
        let both: BTreeSet<_> = prior.keys().filter(|key| wanted.contains_key(*key)).collect();
        for key in both {
            compare(values, &prior[key], &wanted[key], &path.clone().key(key), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marked_fields_are_found_wherever_they_are() {
        let schema = json!({ "properties": {
            "name": { "x-immutable": true },
            "size": {},
            "hosts": { "additionalProperties": { "properties": { "id": { "x-immutable": true } } } },
        }});
        let prior = json!({ "name": "a", "size": 1, "hosts": { "x": { "id": 1 }, "y": { "id": 1 } } });
        let wanted = json!({ "name": "b", "size": 2, "hosts": { "x": { "id": 2 }, "z": { "id": 3 } } });
        let found: Vec<_> = changes(&schema, &prior, &wanted).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["name", r#"hosts["x"].id"#]);
    }
}
