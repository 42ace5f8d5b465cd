//! The "Schema" section of a page: attributes by how they are set, nested ones below with anchors.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Renders a block as `terraform providers schema -json` prints it.
pub(super) fn schema(block: &Value) -> String {
    let mut text = String::from("<!-- schema generated -->\n## Schema\n");
    let empty = Map::new();
    let attributes = block["attributes"].as_object().unwrap_or(&empty);
    level(&mut text, attributes, &[]);
    text
}

/// Whether an attribute belongs to a group.
type Belongs = fn(&Value) -> bool;

/// One level of attributes, then each nested attribute on a level of its own.
fn level(text: &mut String, attributes: &Map<String, Value>, path: &[&str]) {
    let groups: [(&str, Belongs); 3] = [
        ("Required", |a| a["required"] == true),
        ("Optional", |a| a["optional"] == true),
        ("Read-Only", |a| a["computed"] == true && a["optional"] != true),
    ];
    for (title, belongs) in groups {
        let members: Vec<_> = attributes.iter().filter(|(_, attribute)| belongs(attribute)).collect();
        if members.is_empty() {
            continue;
        }
        if path.is_empty() {
            let _ = write!(text, "\n### {title}\n\n");
        } else {
            let _ = write!(text, "\n{title}:\n\n");
        }
        for (name, attribute) in members {
            line(text, name, attribute, path);
        }
    }
    for (name, attribute) in attributes {
        if let Some(nested) = attribute["nested_type"]["attributes"].as_object() {
            let mut path = path.to_vec();
            path.push(name);
            let _ = write!(text, "\n<a id=\"{}\"></a>\n### Nested Schema for `{}`\n", anchor(&path), path.join("."));
            level(text, nested, &path);
        }
    }
}

fn line(text: &mut String, name: &str, attribute: &Value, path: &[&str]) {
    let sensitive = if attribute["sensitive"] == true { ", Sensitive" } else { "" };
    let description = attribute["description"].as_str().unwrap_or_default().replace('\n', " ");
    let _ = write!(text, "- `{name}` ({}{sensitive}) {description}", type_name(attribute));
    if attribute["nested_type"].is_object() {
        let mut path = path.to_vec();
        path.push(name);
        let _ = write!(text, " (see [below for nested schema](#{}))", anchor(&path));
    }
    text.push('\n');
}

fn anchor(path: &[&str]) -> String {
    format!("nestedatt--{}", path.join("--"))
}

fn type_name(attribute: &Value) -> String {
    match attribute["nested_type"]["nesting_mode"].as_str() {
        Some("single") => "Attributes".to_owned(),
        Some(mode) => format!("Attributes {}", capital(mode)),
        None => cty_name(&attribute["type"]),
    }
}

fn cty_name(ty: &Value) -> String {
    match ty {
        Value::String(name) if name == "bool" => "Boolean".to_owned(),
        Value::String(name) => capital(name),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(kind), element] => format!("{} of {}", capital(kind), cty_name(element)),
            _ => "Dynamic".to_owned(),
        },
        _ => "Dynamic".to_owned(),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_are_grouped_and_nested_ones_linked() {
        let block = json!({ "attributes": {
            "name": { "type": "string", "required": true, "description": "The name." },
            "hosts": { "optional": true, "description": "Hosts.", "nested_type": { "nesting_mode": "map", "attributes": {
                "labels": { "type": ["map", "string"], "optional": true, "sensitive": true, "description": "Labels." },
            } } },
            "id": { "type": "string", "computed": true, "description": "Identity." },
        } });
        let text = schema(&block);
        assert!(text.contains("### Required\n\n- `name` (String) The name.\n"), "{text}");
        assert!(
            text.contains("- `hosts` (Attributes Map) Hosts. (see [below for nested schema](#nestedatt--hosts))"),
            "{text}"
        );
        assert!(text.contains("### Read-Only\n\n- `id` (String) Identity."), "{text}");
        assert!(
            text.contains(
                "### Nested Schema for `hosts`\n\nOptional:\n\n- `labels` (Map of String, Sensitive) Labels."
            ),
            "{text}"
        );
    }
}
