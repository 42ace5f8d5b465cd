//! The bridge to `serde_json`, and through it to any type that serde knows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Number, Value};
use crate::{AttributePath, Step, Type};

/// A value was needed that is not known before apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of `{path}` is not known yet")]
pub struct UnknownValueError {
    pub path: AttributePath,
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Number::parse(&number.to_string()).map_or(Self::Null, Self::Number),
            Json::String(text) => Self::String(text),
            Json::Array(elements) => Self::List(elements.into_iter().map(Self::from).collect()),
            Json::Object(entries) => {
                Self::Map(entries.into_iter().map(|(name, value)| (name, Self::from(value))).collect())
            }
        }
    }
}

impl TryFrom<&Value> for Json {
    type Error = UnknownValueError;

    fn try_from(value: &Value) -> Result<Self, Self::Error> {
        value.to_json()
    }
}

impl Value {
    /// As JSON, nulls kept. Numbers that JSON libraries cannot hold become the nearest float.
    ///
    /// Without a type, the path in the error spells map keys like attributes.
    pub fn to_json(&self) -> Result<Json, UnknownValueError> {
        let mut unknown = None;
        let json = self.to_json_with(&Type::Dynamic, |path, _| {
            unknown.get_or_insert_with(|| path.clone());
            Json::Null
        });
        unknown.map_or(Ok(json), |path| Err(UnknownValueError { path }))
    }

    /// As JSON, with a stand-in for each unknown part, chosen by its path and type.
    pub fn to_json_with(&self, ty: &Type, mut placeholder: impl FnMut(&AttributePath, &Type) -> Json) -> Json {
        to_json_at(self, ty, &AttributePath::root(), &mut placeholder)
    }

    /// Reads a wholly known value into a Rust type; null entries count as absent.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let json = self.clone().without_nulls().to_json().map_err(DecodeError::Unknown)?;
        serde_json::from_value(json).map_err(DecodeError::Shape)
    }

    /// Makes a value from a Rust type. Attributes that the type leaves out are null on the wire.
    pub fn encode<T: Serialize + ?Sized>(source: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_value(source).map(Self::from)
    }
}

/// Why a value does not fit a Rust type.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("value is not wholly known")]
    Unknown(#[source] UnknownValueError),
    #[error("value has an unexpected shape")]
    Shape(#[source] serde_json::Error),
}

fn to_json_at(
    value: &Value,
    ty: &Type,
    path: &AttributePath,
    placeholder: &mut impl FnMut(&AttributePath, &Type) -> Json,
) -> Json {
    let mut part_to_json = |part: &Value, step: Step| {
        let ty = ty.descend(&step).unwrap_or(&Type::Dynamic);
        to_json_at(part, ty, &path.clone().step(step), placeholder)
    };
    match value {
        Value::Null => Json::Null,
        Value::Unknown(_) => placeholder(path, ty),
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => number_to_json(number),
        Value::String(text) => Json::String(text.clone()),
        Value::List(elements) => {
            (0..).zip(elements).map(|(index, part)| part_to_json(part, Step::Index(index))).collect()
        }
        Value::Map(entries) => {
            entries.iter().map(|(name, part)| (name.clone(), part_to_json(part, ty.step_to(name)))).collect()
        }
        Value::Dynamic(typed) => to_json_at(&typed.value, &typed.ty, path, placeholder),
    }
}

fn number_to_json(number: &Number) -> Json {
    if let Some(signed) = number.as_i64() {
        return signed.into();
    }
    if let Some(unsigned) = number.as_u64() {
        return unsigned.into();
    }
    number.as_f64().into()
}
