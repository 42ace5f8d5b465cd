//! Values as Terraform sees them: a tree in which any part may be null or not known yet.

mod access;
mod json;
mod msgpack;
mod number;
mod state_json;

use std::collections::BTreeMap;

pub use json::{DecodeError, UnknownValueError};
pub use msgpack::{CodecError, CodecReason};
pub use number::Number;

use crate::Type;

/// A value of any type. Which type it has is told by the schema, not by the value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    /// Not known before apply; the refinements are what is known about it already.
    Unknown(Option<Box<Refinements>>),
    Bool(bool),
    Number(Number),
    String(String),
    /// A list, a set or a tuple. Terraform sends sets in an order of its own.
    List(Vec<Value>),
    /// A map, an object or a block.
    Map(BTreeMap<String, Value>),
    /// A value where the schema says *any type*: it brings its own.
    Dynamic(Box<TypedValue>),
}

/// A value with the type it was sent with.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedValue {
    pub ty: Type,
    pub value: Value,
}

/// Promises about an unknown value. Terraform checks them when the value becomes known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refinements {
    /// `Some(false)`: certainly not null.
    pub null: Option<bool>,
    /// What the string starts with.
    pub prefix: Option<String>,
    /// Smallest number, and whether it is included.
    pub lower_bound: Option<(Number, bool)>,
    /// Largest number, and whether it is included.
    pub upper_bound: Option<(Number, bool)>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
}

impl Value {
    /// An unknown value about which nothing is promised.
    pub fn unknown() -> Self {
        Self::Unknown(None)
    }

    /// An unknown value that will not be null, which spares downstream resources an unknown `x == null`.
    pub fn unknown_not_null() -> Self {
        Self::Unknown(Some(Box::new(Refinements { null: Some(false), ..Refinements::default() })))
    }

    pub fn object<N: Into<String>>(attributes: impl IntoIterator<Item = (N, Value)>) -> Self {
        Self::Map(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// With [`crate::visible`] text, for what others said and Terraform will print. Names of attributes and keys of maps stay.
    #[must_use]
    pub fn visible(self) -> Self {
        match self {
            Self::String(text) => Self::String(crate::visible(&text).into_owned()),
            Self::List(elements) => Self::List(elements.into_iter().map(Self::visible).collect()),
            Self::Map(members) => Self::Map(members.into_iter().map(|(name, value)| (name, value.visible())).collect()),
            Self::Dynamic(typed) => Self::Dynamic(Box::new(TypedValue { ty: typed.ty, value: typed.value.visible() })),
            other @ (Self::Null | Self::Unknown(_) | Self::Bool(_) | Self::Number(_)) => other,
        }
    }

    pub fn list(elements: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self::List(elements.into_iter().map(Into::into).collect())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<f64> for Value {
    /// NaN, which Terraform cannot express, becomes null.
    fn from(value: f64) -> Self {
        Number::from_f64(value).map_or(Self::Null, Self::Number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Self {
        Self::list(elements)
    }
}
