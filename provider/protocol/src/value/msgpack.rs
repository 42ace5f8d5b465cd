//! MessagePack, the form in which values travel. The type decides how each byte is read.

mod decode;
mod encode;
mod refinements;

use super::{TypedValue, Value};
use crate::types::TypeError;
use crate::{AttributePath, Step, Type};

/// Deepest nesting that is read; also keeps the stack small.
pub(super) const MAX_DEPTH: usize = 100;
/// Most parts of one value. A message of 256 MiB could otherwise grow to many times its size in memory.
pub(super) const MAX_PARTS: usize = 1 << 20;

/// MessagePack extension types that Terraform uses.
const EXTENSION_UNKNOWN: i8 = 0;
const EXTENSION_REFINED_UNKNOWN: i8 = 12;

/// A value and its type do not match, or the bytes are damaged.
#[derive(Debug, thiserror::Error)]
#[error("invalid value{}", path.describe())]
pub struct CodecError {
    pub path: AttributePath,
    #[source]
    pub reason: CodecReason,
}

#[derive(Debug, thiserror::Error)]
pub enum CodecReason {
    #[error("data ends too early")]
    Truncated,
    #[error("data goes on after the value")]
    Trailing,
    #[error("nested too deeply")]
    TooDeep,
    #[error("too many parts")]
    TooLarge,
    #[error("text is not UTF-8")]
    NotText,
    #[error("number is out of range")]
    NotANumber,
    #[error("expected {expected}, found {found}")]
    Mismatch { expected: Type, found: &'static str },
    #[error("expected {expected} elements, found {found}")]
    WrongLength { expected: usize, found: usize },
    #[error("attribute `{name}` is missing")]
    MissingAttribute { name: String },
    #[error("there is no attribute `{name}`")]
    UnknownAttribute { name: String },
    #[error("bad type of a dynamic value")]
    DynamicType(#[source] TypeError),
    #[error("not valid JSON")]
    Json(#[source] serde_json::Error),
    #[error("could not write")]
    Write(#[source] std::io::Error),
}

impl From<CodecReason> for CodecError {
    fn from(reason: CodecReason) -> Self {
        Self { path: AttributePath::root(), reason }
    }
}

impl CodecError {
    /// The same error seen from one level further out. Paths are made on failure only: they cost more than the reading.
    pub(super) fn under(mut self, step: Step) -> Self {
        self.path = self.path.under(step);
        self
    }
}

impl Value {
    /// Reads a value of the given type. Damaged data is refused, however it is damaged.
    pub fn from_msgpack(bytes: &[u8], ty: &Type) -> Result<Self, CodecError> {
        decode::decode(bytes, ty)
    }

    /// Writes a value of the given type. Attributes that are missing become null.
    pub fn to_msgpack(&self, ty: &Type) -> Result<Vec<u8>, CodecError> {
        encode::encode(self, ty)
    }

    /// Equal as Terraform compares: the order of the elements of a set does not count.
    pub fn equivalent(&self, other: &Self, ty: &Type) -> bool {
        self == other || self.clone().canonical(ty) == other.clone().canonical(ty)
    }

    /// Fills in missing attributes with null and puts sets in a fixed order. Values of any type get the type they would be
    /// sent with.
    #[must_use]
    pub(crate) fn canonical(self, ty: &Type) -> Self {
        match (self, ty) {
            (Self::Map(mut entries), Type::Object(attributes)) => Self::Map(
                attributes
                    .iter()
                    .map(|(name, ty)| (name.clone(), entries.remove(name).unwrap_or_default().canonical(ty)))
                    .collect(),
            ),
            (Self::Map(entries), Type::Map(ty)) => {
                Self::Map(entries.into_iter().map(|(name, part)| (name, part.canonical(ty))).collect())
            }
            (Self::List(elements), Type::List(ty)) => {
                Self::List(elements.into_iter().map(|part| part.canonical(ty)).collect())
            }
            (Self::List(elements), Type::Set(ty)) => {
                let mut elements: Vec<_> = elements.into_iter().map(|part| part.canonical(ty)).collect();
                elements.sort_by_cached_key(|part| part.to_msgpack(ty).unwrap_or_default());
                elements.dedup();
                Self::List(elements)
            }
            (Self::List(elements), Type::Tuple(types)) if elements.len() == types.len() => {
                Self::List(elements.into_iter().zip(types).map(|(part, ty)| part.canonical(ty)).collect())
            }
            (Self::Dynamic(typed), ty) if *ty != Type::Dynamic => typed.value.canonical(ty),
            (
                value @ (Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::List(_) | Self::Map(_)),
                Type::Dynamic,
            ) => Self::Dynamic(Box::new(TypedValue { ty: value.inferred_type(), value })),
            (other, _) => other,
        }
    }

    /// The type a value has when nothing says otherwise: tuples for lists, objects for maps.
    pub(crate) fn inferred_type(&self) -> Type {
        match self {
            Self::Null | Self::Unknown(_) => Type::Dynamic,
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::List(elements) => Type::Tuple(elements.iter().map(Self::inferred_type).collect()),
            Self::Map(entries) => Type::object(entries.iter().map(|(name, part)| (name.clone(), part.inferred_type()))),
            Self::Dynamic(typed) => typed.ty.clone(),
        }
    }
}
