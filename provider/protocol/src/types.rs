//! Type constraints: what shape a value has on the wire.

use std::collections::BTreeMap;
use std::fmt;

use crate::{AttributePath, Step};

/// A Terraform type constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Any type; the value carries its own.
    Dynamic,
    Bool,
    Number,
    String,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Tuple(Vec<Type>),
    Object(BTreeMap<String, Type>),
}

impl Type {
    pub fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub fn set(element: Type) -> Self {
        Self::Set(Box::new(element))
    }

    pub fn map(element: Type) -> Self {
        Self::Map(Box::new(element))
    }

    pub fn object<N: Into<String>>(attributes: impl IntoIterator<Item = (N, Type)>) -> Self {
        Self::Object(attributes.into_iter().map(|(name, ty)| (name.into(), ty)).collect())
    }

    /// The JSON form that schemas and dynamic values carry.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Dynamic => json!("dynamic"),
            Self::Bool => json!("bool"),
            Self::Number => json!("number"),
            Self::String => json!("string"),
            Self::List(element) => json!(["list", element.to_json()]),
            Self::Set(element) => json!(["set", element.to_json()]),
            Self::Map(element) => json!(["map", element.to_json()]),
            Self::Tuple(elements) => json!(["tuple", elements.iter().map(Type::to_json).collect::<Vec<_>>()]),
            Self::Object(attributes) => {
                let attributes: serde_json::Map<_, _> =
                    attributes.iter().map(|(name, ty)| (name.clone(), ty.to_json())).collect();
                json!(["object", attributes])
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// Reads the JSON form. The recursion limit of serde_json bounds the depth.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, TypeError> {
        let json = serde_json::from_slice(bytes).map_err(TypeError::Json)?;
        Self::from_json(&json)
    }

    pub fn from_json(json: &serde_json::Value) -> Result<Self, TypeError> {
        use serde_json::Value as Json;
        let unsupported = || TypeError::Unsupported { constraint: json.to_string() };
        match json {
            Json::String(name) => match name.as_str() {
                "dynamic" => Ok(Self::Dynamic),
                "bool" => Ok(Self::Bool),
                "number" => Ok(Self::Number),
                "string" => Ok(Self::String),
                _ => Err(unsupported()),
            },
            Json::Array(parts) => match (parts.first().and_then(Json::as_str), parts.get(1)) {
                (Some("list"), Some(element)) => Ok(Self::list(Self::from_json(element)?)),
                (Some("set"), Some(element)) => Ok(Self::set(Self::from_json(element)?)),
                (Some("map"), Some(element)) => Ok(Self::map(Self::from_json(element)?)),
                (Some("tuple"), Some(Json::Array(elements))) => {
                    Ok(Self::Tuple(elements.iter().map(Self::from_json).collect::<Result<_, _>>()?))
                }
                // A third part lists optional attributes; that matters for conversion in HCL only.
                (Some("object"), Some(Json::Object(attributes))) => Ok(Self::Object(
                    attributes
                        .iter()
                        .map(|(name, ty)| Ok((name.clone(), Self::from_json(ty)?)))
                        .collect::<Result<_, TypeError>>()?,
                )),
                _ => Err(unsupported()),
            },
            _ => Err(unsupported()),
        }
    }

    /// The type of the part of a value that one step leads to.
    pub fn descend(&self, step: &Step) -> Option<&Type> {
        match (self, step) {
            (Self::Object(attributes), Step::Attribute(name) | Step::Key(name)) => attributes.get(name),
            (Self::Map(element), Step::Key(_)) | (Self::List(element) | Self::Set(element), Step::Index(_)) => {
                Some(element)
            }
            (Self::Tuple(elements), Step::Index(index)) => elements.get(usize::try_from(*index).ok()?),
            _ => None,
        }
    }

    /// The step to a named part: a key for maps, an attribute for all else.
    pub(crate) fn step_to(&self, name: &str) -> Step {
        match self {
            Self::Map(_) => Step::Key(name.to_owned()),
            _ => Step::Attribute(name.to_owned()),
        }
    }

    /// Turns a chain of plain keys, such as `control_plane`, `cp-1`, `address`, into the path that Terraform understands.
    ///
    /// Ends early where the keys leave the type, and at sets, whose elements have no address.
    pub fn locate<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> AttributePath {
        let mut path = AttributePath::root();
        let mut here = self;
        for key in keys {
            let key = key.as_ref();
            let step = match here {
                Self::Object(_) | Self::Map(_) => here.step_to(key),
                Self::List(_) | Self::Tuple(_) => match key.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => return path,
                },
                _ => return path,
            };
            let Some(next) = here.descend(&step) else { return path };
            here = next;
            path = path.step(step);
        }
        path
    }
}

impl fmt::Display for Type {
    /// The spelling of a type in HCL.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dynamic => write!(formatter, "any"),
            Self::Bool => write!(formatter, "bool"),
            Self::Number => write!(formatter, "number"),
            Self::String => write!(formatter, "string"),
            Self::List(element) => write!(formatter, "list({element})"),
            Self::Set(element) => write!(formatter, "set({element})"),
            Self::Map(element) => write!(formatter, "map({element})"),
            Self::Tuple(elements) => {
                let elements: Vec<_> = elements.iter().map(ToString::to_string).collect();
                write!(formatter, "tuple([{}])", elements.join(", "))
            }
            Self::Object(attributes) => {
                let attributes: Vec<_> = attributes.iter().map(|(name, ty)| format!("{name} = {ty}")).collect();
                write!(formatter, "object({{{}}})", attributes.join(", "))
            }
        }
    }
}

/// Why bytes are not a type constraint.
#[derive(Debug, thiserror::Error)]
pub enum TypeError {
    #[error("type constraint is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("unsupported type constraint `{constraint}`")]
    Unsupported { constraint: String },
}
