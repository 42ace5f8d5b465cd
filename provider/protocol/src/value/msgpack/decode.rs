//! Reading MessagePack.
//!
//! Memory grows with the bytes that are really there, never with a length that a header claims.

use std::collections::BTreeMap;

use rmp::Marker;

use super::{CodecError, CodecReason, EXTENSION_REFINED_UNKNOWN, MAX_DEPTH, MAX_PARTS, refinements};
use crate::value::{Number, TypedValue, Value};
use crate::{Step, Type};

pub(super) fn decode(bytes: &[u8], ty: &Type) -> Result<Value, CodecError> {
    let mut reader = Reader::new(bytes);
    let value = read_value(&mut reader, ty, 0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(CodecReason::Trailing.into()) }
}

/// The head of a MessagePack item: scalars whole, containers with the number of items that follow.
pub(super) enum Item<'a> {
    Nil,
    Bool(bool),
    Number(Number),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
    Extension(i8, &'a [u8]),
}

impl Item<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Binary(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Extension(..) => "extension",
        }
    }
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
    parts: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, parts: 0 }
    }

    pub(super) fn item(&mut self) -> Result<Item<'a>, CodecReason> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(CodecReason::TooLarge);
        }
        let [byte] = self.array()?;
        Ok(match Marker::from_u8(byte) {
            Marker::Null | Marker::Reserved => Item::Nil,
            Marker::False => Item::Bool(false),
            Marker::True => Item::Bool(true),
            Marker::FixPos(value) => Item::Number(u64::from(value).into()),
            Marker::FixNeg(value) => Item::Number(i64::from(value).into()),
            Marker::U8 => Item::Number(u64::from(u8::from_be_bytes(self.array()?)).into()),
            Marker::U16 => Item::Number(u64::from(u16::from_be_bytes(self.array()?)).into()),
            Marker::U32 => Item::Number(u64::from(u32::from_be_bytes(self.array()?)).into()),
            Marker::U64 => Item::Number(u64::from_be_bytes(self.array()?).into()),
            Marker::I8 => Item::Number(i64::from(i8::from_be_bytes(self.array()?)).into()),
            Marker::I16 => Item::Number(i64::from(i16::from_be_bytes(self.array()?)).into()),
            Marker::I32 => Item::Number(i64::from(i32::from_be_bytes(self.array()?)).into()),
            Marker::I64 => Item::Number(i64::from_be_bytes(self.array()?).into()),
            Marker::F32 => float(f64::from(f32::from_be_bytes(self.array()?)))?,
            Marker::F64 => float(f64::from_be_bytes(self.array()?))?,
            Marker::FixStr(length) => Item::Text(self.bytes(length.into())?),
            Marker::Str8 => Item::Text(self.sized::<1>()?),
            Marker::Str16 => Item::Text(self.sized::<2>()?),
            Marker::Str32 => Item::Text(self.sized::<4>()?),
            Marker::Bin8 => Item::Binary(self.sized::<1>()?),
            Marker::Bin16 => Item::Binary(self.sized::<2>()?),
            Marker::Bin32 => Item::Binary(self.sized::<4>()?),
            Marker::FixArray(length) => Item::Array(length.into()),
            Marker::Array16 => Item::Array(self.length::<2>()?),
            Marker::Array32 => Item::Array(self.length::<4>()?),
            Marker::FixMap(length) => Item::Map(length.into()),
            Marker::Map16 => Item::Map(self.length::<2>()?),
            Marker::Map32 => Item::Map(self.length::<4>()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.sized_extension::<1>()?,
            Marker::Ext16 => self.sized_extension::<2>()?,
            Marker::Ext32 => self.sized_extension::<4>()?,
        })
    }

    /// Reads past one item with all it contains. Iterative, so that nesting costs no stack.
    pub(super) fn skip(&mut self) -> Result<(), CodecReason> {
        let mut pending = 1_usize;
        while pending > 0 {
            pending -= 1;
            let inside = match self.item()? {
                Item::Array(length) => length,
                Item::Map(length) => length.saturating_mul(2),
                _ => 0,
            };
            pending = pending.saturating_add(inside);
        }
        Ok(())
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], CodecReason> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CodecReason::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecReason> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CodecReason::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn length<const N: usize>(&mut self) -> Result<usize, CodecReason> {
        Ok(self.array::<N>()?.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)))
    }

    fn sized<const N: usize>(&mut self) -> Result<&'a [u8], CodecReason> {
        let length = self.length::<N>()?;
        self.bytes(length)
    }

    fn sized_extension<const N: usize>(&mut self) -> Result<Item<'a>, CodecReason> {
        let length = self.length::<N>()?;
        self.extension(length)
    }

    fn extension(&mut self, length: usize) -> Result<Item<'a>, CodecReason> {
        let kind = i8::from_be_bytes(self.array()?);
        Ok(Item::Extension(kind, self.bytes(length)?))
    }
}

fn float<'a>(value: f64) -> Result<Item<'a>, CodecReason> {
    Number::from_exact_f64(value).map(Item::Number).ok_or(CodecReason::NotANumber)
}

pub(super) fn text(bytes: &[u8]) -> Result<String, CodecReason> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| CodecReason::NotText)
}

/// `depth` counts every level, those of dynamic values in dynamic values included.
fn read_value(reader: &mut Reader<'_>, ty: &Type, depth: usize) -> Result<Value, CodecError> {
    if depth > MAX_DEPTH {
        return Err(CodecReason::TooDeep.into());
    }
    match (reader.item()?, ty) {
        (Item::Nil, _) => Ok(Value::Null),
        (Item::Extension(EXTENSION_REFINED_UNKNOWN, payload), _) => Ok(Value::Unknown(refinements::read(payload))),
        (Item::Extension(..), _) => Ok(Value::unknown()),
        (Item::Bool(value), Type::Bool) => Ok(Value::Bool(value)),
        (Item::Number(number), Type::Number) => Ok(Value::Number(number)),
        (Item::Text(bytes), Type::Number) => {
            let number = text(bytes).ok().and_then(|text| Number::parse(&text));
            Ok(Value::Number(number.ok_or(CodecReason::NotANumber)?))
        }
        (Item::Text(bytes), Type::String) => Ok(Value::String(text(bytes)?)),
        (Item::Array(length), Type::List(element) | Type::Set(element)) => {
            read_elements(reader, std::iter::repeat_n(&**element, length), depth)
        }
        (Item::Array(length), Type::Tuple(elements)) if length == elements.len() => {
            read_elements(reader, elements.iter(), depth)
        }
        (Item::Array(found), Type::Tuple(elements)) => {
            Err(CodecReason::WrongLength { expected: elements.len(), found }.into())
        }
        (Item::Array(2), Type::Dynamic) => {
            let (Item::Binary(constraint) | Item::Text(constraint)) = reader.item()? else {
                return Err(CodecReason::Mismatch { expected: Type::String, found: "no type" }.into());
            };
            let ty = Type::from_slice(constraint).map_err(CodecReason::DynamicType)?;
            let value = read_value(reader, &ty, depth + 1)?;
            Ok(if ty == Type::Dynamic { value } else { Value::Dynamic(Box::new(TypedValue { ty, value })) })
        }
        (Item::Map(length), Type::Map(element)) => {
            let mut entries = BTreeMap::new();
            for _ in 0..length {
                let key = read_key(reader)?;
                let value =
                    read_value(reader, element, depth + 1).map_err(|error| error.under(Step::Key(key.clone())))?;
                entries.insert(key, value);
            }
            Ok(Value::Map(entries))
        }
        (Item::Map(length), Type::Object(attributes)) => {
            let mut entries = BTreeMap::new();
            for _ in 0..length {
                let name = read_key(reader)?;
                let Some(ty) = attributes.get(&name) else {
                    return Err(CodecReason::UnknownAttribute { name }.into());
                };
                let value =
                    read_value(reader, ty, depth + 1).map_err(|error| error.under(Step::Attribute(name.clone())))?;
                entries.insert(name, value);
            }
            // Nothing is filled in here: a few bytes must not grow into an object with a hundred attributes.
            match attributes.keys().find(|name| !entries.contains_key(*name)) {
                Some(name) => Err(CodecReason::MissingAttribute { name: name.clone() }.into()),
                None => Ok(Value::Map(entries)),
            }
        }
        (found, expected) => Err(CodecReason::Mismatch { expected: expected.clone(), found: found.kind() }.into()),
    }
}

fn read_elements<'t>(
    reader: &mut Reader<'_>,
    types: impl Iterator<Item = &'t Type>,
    depth: usize,
) -> Result<Value, CodecError> {
    let mut elements = Vec::new();
    for (index, ty) in (0..).zip(types) {
        elements.push(read_value(reader, ty, depth + 1).map_err(|error| error.under(Step::Index(index)))?);
    }
    Ok(Value::List(elements))
}

fn read_key(reader: &mut Reader<'_>) -> Result<String, CodecReason> {
    match reader.item()? {
        Item::Text(bytes) => text(bytes),
        other => Err(CodecReason::Mismatch { expected: Type::String, found: other.kind() }),
    }
}
