//! JSON as Terraform stores it in state files, read by type so that numbers keep all their digits.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::msgpack::{CodecError, CodecReason, MAX_DEPTH, MAX_PARTS};
use super::{Number, TypedValue, Value};
use crate::{Step, Type};

impl Value {
    /// Reads JSON of the given type. Attributes that the type does not know are dropped, missing ones are null: the
    /// state may have been written by another version of the provider.
    pub fn from_json_slice(bytes: &[u8], ty: &Type) -> Result<Self, CodecError> {
        Reader { parts: 0 }.read(parse(bytes)?, ty, 0)
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecReason> {
    serde_json::from_slice(bytes).map_err(CodecReason::Json)
}

#[derive(Deserialize)]
struct DynamicJson<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    r#type: serde_json::Value,
}

/// Counts parts: missing attributes are filled in, so a short text can become a large value.
struct Reader {
    parts: usize,
}

impl Reader {
    fn count(&mut self, parts: usize) -> Result<(), CodecReason> {
        self.parts += parts;
        if self.parts > MAX_PARTS { Err(CodecReason::TooLarge) } else { Ok(()) }
    }

    fn read(&mut self, raw: &RawValue, ty: &Type, depth: usize) -> Result<Value, CodecError> {
        self.count(1)?;
        let text = raw.get();
        if text == "null" {
            return Ok(Value::Null);
        }
        if depth > MAX_DEPTH {
            return Err(CodecReason::TooDeep.into());
        }
        let bytes = text.as_bytes();
        match ty {
            Type::Bool => Ok(Value::Bool(parse(bytes)?)),
            Type::String => Ok(Value::String(parse(bytes)?)),
            Type::Number => {
                let digits = text.trim_matches('"');
                Ok(Value::Number(Number::parse(digits).ok_or(CodecReason::NotANumber)?))
            }
            Type::List(element) | Type::Set(element) => {
                let parts: Vec<&RawValue> = parse(bytes)?;
                self.read_elements(&parts, std::iter::repeat(&**element), depth)
            }
            Type::Tuple(types) => {
                let parts: Vec<&RawValue> = parse(bytes)?;
                if parts.len() != types.len() {
                    return Err(CodecReason::WrongLength { expected: types.len(), found: parts.len() }.into());
                }
                self.read_elements(&parts, types.iter(), depth)
            }
            Type::Map(element) => {
                let parts: BTreeMap<String, &RawValue> = parse(bytes)?;
                let mut entries = BTreeMap::new();
                for (key, part) in parts {
                    let value =
                        self.read(part, element, depth + 1).map_err(|error| error.under(Step::Key(key.clone())))?;
                    entries.insert(key, value);
                }
                Ok(Value::Map(entries))
            }
            Type::Object(attributes) => {
                self.count(attributes.len())?;
                let parts: BTreeMap<String, &RawValue> = parse(bytes)?;
                let mut entries = BTreeMap::new();
                for (name, ty) in attributes {
                    let value = match parts.get(name) {
                        Some(part) => self
                            .read(part, ty, depth + 1)
                            .map_err(|error| error.under(Step::Attribute(name.clone())))?,
                        None => Value::Null,
                    };
                    entries.insert(name.clone(), value);
                }
                Ok(Value::Map(entries))
            }
            Type::Dynamic => {
                let dynamic: DynamicJson<'_> = parse(bytes)?;
                let ty = Type::from_json(&dynamic.r#type).map_err(CodecReason::DynamicType)?;
                let value = self.read(dynamic.value, &ty, depth + 1)?;
                Ok(Value::Dynamic(Box::new(TypedValue { ty, value })))
            }
        }
    }

    fn read_elements<'t>(
        &mut self,
        parts: &[&RawValue],
        types: impl Iterator<Item = &'t Type>,
        depth: usize,
    ) -> Result<Value, CodecError> {
        let mut elements = Vec::new();
        for (index, (part, ty)) in (0..).zip(parts.iter().zip(types)) {
            elements.push(self.read(part, ty, depth + 1).map_err(|error| error.under(Step::Index(index)))?);
        }
        Ok(Value::List(elements))
    }
}
