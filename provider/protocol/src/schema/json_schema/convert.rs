//! The walk over a JSON Schema.

use serde_json::{Map, Value as Json};

use super::JsonSchemaError;
use crate::Type;
use crate::schema::{Attribute, AttributeKind, Nesting, Origin, Schema};

/// What a JSON Schema becomes before it is known whether an attribute or an element needs it.
enum Shape {
    Plain(Type),
    Object(Vec<Attribute>),
    Collection(Nesting, Vec<Attribute>),
}

/// One place in the schema, with what is needed to follow references and to name the place in an error.
#[derive(Clone)]
struct Cursor<'a> {
    root: &'a Json,
    node: &'a Json,
    field: String,
    /// The references that led here.
    references: Vec<&'a str>,
}

pub(super) fn schema(root: &Json) -> Result<Schema, JsonSchemaError> {
    let cursor = Cursor { root, node: root, field: String::new(), references: Vec::new() };
    let node = cursor.resolve()?;
    match node.shape()? {
        Shape::Object(attributes) => Ok(Schema::new(attributes).description(node.text("description"))),
        _ => Err(node.error("the root is not an object with properties")),
    }
}

impl<'a> Cursor<'a> {
    fn error(&self, reason: impl Into<String>) -> JsonSchemaError {
        let field = if self.field.is_empty() { "the root" } else { &self.field };
        JsonSchemaError { field: field.to_owned(), reason: reason.into() }
    }

    fn to(&self, node: &'a Json) -> Self {
        Self { node, ..self.clone() }
    }

    fn member(&self, name: &str, node: &'a Json) -> Self {
        let field = if self.field.is_empty() { name.to_owned() } else { format!("{}.{name}", self.field) };
        Self { field, ..self.to(node) }
    }

    fn keyword(&self, name: &str) -> Option<&'a Json> {
        self.node.get(name)
    }

    fn text(&self, name: &str) -> &'a str {
        self.keyword(name).and_then(Json::as_str).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.keyword(name).and_then(Json::as_bool).unwrap_or_default()
    }

    fn properties(&self) -> Option<&'a Map<String, Json>> {
        self.keyword("properties").and_then(Json::as_object)
    }

    /// Follows references and unwraps the ways to say *or null*.
    fn resolve(&self) -> Result<Self, JsonSchemaError> {
        let mut here = self.clone();
        loop {
            if let Some(reference) = here.keyword("$ref").and_then(Json::as_str) {
                if here.references.contains(&reference) {
                    return Err(self.error("it contains itself, and Terraform types cannot be recursive"));
                }
                here.references.push(reference);
                let target = reference.strip_prefix('#').and_then(|pointer| here.root.pointer(pointer));
                here = here.to(target.ok_or_else(|| self.error(format!("`{reference}` does not exist")))?);
                continue;
            }
            let Some(alternatives) = here.alternatives() else { return Ok(here) };
            match alternatives.as_slice() {
                [only] => here = here.to(only),
                _ => return Ok(here),
            }
        }
    }

    /// The alternatives other than null, when the schema is nothing but a choice.
    fn alternatives(&self) -> Option<Vec<&'a Json>> {
        let choice = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|name| self.keyword(name)?.as_array())?;
        Some(choice.iter().filter(|node| node.get("type").and_then(Json::as_str) != Some("null")).collect())
    }

    /// The type name, null aside. `None` when there is none or several.
    fn type_name(&self) -> Option<&'a str> {
        match self.keyword("type")? {
            Json::String(name) => Some(name),
            Json::Array(names) => {
                let mut names = names.iter().filter_map(Json::as_str).filter(|name| *name != "null");
                names.next().filter(|_| names.next().is_none())
            }
            _ => None,
        }
    }

    /// Enums of strings, which schemars writes in several ways.
    fn is_string_choice(&self) -> bool {
        let strings = |values: &Vec<Json>| values.iter().all(|value| value.is_string() || value.is_null());
        let is_constant = |node: &Json| {
            node.get("const").is_some_and(Json::is_string)
                || node.get("enum").and_then(Json::as_array).is_some_and(strings)
        };
        self.keyword("enum").and_then(Json::as_array).is_some_and(strings)
            || self.keyword("const").is_some_and(Json::is_string)
            || self.alternatives().is_some_and(|nodes| !nodes.is_empty() && nodes.into_iter().all(is_constant))
    }

    fn shape(&self) -> Result<Shape, JsonSchemaError> {
        if self.is_string_choice() {
            return Ok(Shape::Plain(Type::String));
        }
        match self.type_name() {
            Some("string") => Ok(Shape::Plain(Type::String)),
            Some("integer" | "number") => Ok(Shape::Plain(Type::Number)),
            Some("boolean") => Ok(Shape::Plain(Type::Bool)),
            Some("array") => self.array(),
            Some("object") => self.object(),
            Some(other) => Err(self.error(format!("there is no type `{other}` in Terraform"))),
            None if self.alternatives().is_some() => {
                Err(self
                    .error("it is a choice between several types; use an object with one optional property for each"))
            }
            None => Err(self.error("it has no type")),
        }
    }

    fn array(&self) -> Result<Shape, JsonSchemaError> {
        let unique = self.flag("uniqueItems");
        let items = self.keyword("items").ok_or_else(|| self.error("the array does not say what it contains"))?;
        match self.member("*", items).resolve()?.shape()? {
            Shape::Object(attributes) => {
                Ok(Shape::Collection(if unique { Nesting::Set } else { Nesting::List }, attributes))
            }
            Shape::Plain(element) => Ok(Shape::Plain(if unique { Type::set(element) } else { Type::list(element) })),
            Shape::Collection(nesting, attributes) => {
                let element = Attribute::nested("", nesting, attributes).ty();
                Ok(Shape::Plain(if unique { Type::set(element) } else { Type::list(element) }))
            }
        }
    }

    fn object(&self) -> Result<Shape, JsonSchemaError> {
        match (self.properties(), self.keyword("additionalProperties")) {
            (Some(_), Some(Json::Object(_))) => {
                Err(self.error("an object has either properties or arbitrary keys, not both"))
            }
            (Some(properties), _) => Ok(Shape::Object(self.attributes(properties)?)),
            (None, Some(element @ Json::Object(_))) => match self.member("*", element).resolve()?.shape()? {
                Shape::Object(attributes) => Ok(Shape::Collection(Nesting::Map, attributes)),
                Shape::Plain(element) => Ok(Shape::Plain(Type::map(element))),
                Shape::Collection(nesting, attributes) => {
                    Ok(Shape::Plain(Type::map(Attribute::nested("", nesting, attributes).ty())))
                }
            },
            (None, Some(Json::Bool(true))) => Err(self.error("its keys have values of any type")),
            (None, _) => Ok(Shape::Object(Vec::new())),
        }
    }

    fn attributes(&self, properties: &'a Map<String, Json>) -> Result<Vec<Attribute>, JsonSchemaError> {
        let required: Vec<_> = self.keyword("required").and_then(Json::as_array).into_iter().flatten().collect();
        properties
            .iter()
            .map(|(name, node)| {
                let is_required = required.iter().any(|required| required.as_str() == Some(name));
                self.member(name, node).attribute(name, is_required)
            })
            .collect()
    }

    fn attribute(&self, name: &str, required: bool) -> Result<Attribute, JsonSchemaError> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            return Err(self.error("attribute names consist of lower-case letters, digits and underscores"));
        }
        let target = self.resolve()?;
        let kind = match target.shape()? {
            Shape::Plain(ty) => AttributeKind::Plain(ty),
            Shape::Object(attributes) => AttributeKind::Nested { nesting: Nesting::Single, attributes },
            Shape::Collection(nesting, attributes) => AttributeKind::Nested { nesting, attributes },
        };
        let origin = match (self.flag("x-computed"), self.flag("x-optional-computed"), required) {
            (true, _, _) => Origin::Computed,
            (_, true, _) => Origin::OptionalComputed,
            (_, _, true) => Origin::Required,
            _ => Origin::Optional,
        };
        let mut attribute = Attribute::of_kind(name, kind).origin(origin).description(self.markdown(&target));
        attribute.sensitive = self.flag("x-sensitive") || target.flag("x-sensitive");
        attribute.write_only = self.flag("x-write-only");
        if self.flag("deprecated") {
            attribute.deprecated = Some(format!("`{name}` is deprecated."));
        }
        Ok(attribute)
    }

    /// The property's own description, else that of its type, with the default at the end.
    fn markdown(&self, target: &Self) -> String {
        let own = self.text("description");
        let mut markdown = if own.is_empty() { target.text("description") } else { own }.to_owned();
        if let Some(default) = self.keyword("default").filter(|default| is_worth_telling(default)) {
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let space = if markdown.is_empty() { "" } else { " " };
            markdown = format!("{markdown}{space}Default: `{default}`.");
        }
        markdown
    }
}

/// Defaults that say no more than that the attribute is optional are left out.
fn is_worth_telling(default: &Json) -> bool {
    match default {
        Json::String(text) => !text.is_empty(),
        Json::Array(elements) => !elements.is_empty(),
        Json::Null | Json::Object(_) => false,
        Json::Bool(_) | Json::Number(_) => true,
    }
}
