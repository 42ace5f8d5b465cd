//! Writing MessagePack.

use rmp::encode as write;

use super::{CodecError, CodecReason, EXTENSION_REFINED_UNKNOWN, EXTENSION_UNKNOWN, refinements};
use crate::value::number::Repr;
use crate::value::{Number, Value};
use crate::{Step, Type};

pub(super) fn encode(value: &Value, ty: &Type) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    write_value(&mut bytes, value, ty)?;
    Ok(bytes)
}

impl From<write::ValueWriteError> for CodecReason {
    fn from(error: write::ValueWriteError) -> Self {
        Self::Write(error.into())
    }
}

impl From<std::io::Error> for CodecReason {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value, ty: &Type) -> Result<(), CodecError> {
    match (value, ty) {
        (Value::Null, _) => write::write_nil(out).map_err(CodecReason::from)?,
        (Value::Unknown(known), _) => write_unknown(out, known.as_deref().and_then(refinements::write))?,
        (Value::Dynamic(typed), Type::Dynamic) => write_typed(out, &typed.value, &typed.ty)?,
        (Value::Dynamic(typed), ty) => write_value(out, &typed.value, ty)?,
        (value, Type::Dynamic) => write_typed(out, value, &value.inferred_type())?,
        (Value::Bool(value), Type::Bool) => write::write_bool(out, *value).map_err(CodecReason::from)?,
        (Value::Number(number), Type::Number) => write_number(out, number)?,
        (Value::String(text), Type::String) => write::write_str(out, text).map_err(CodecReason::from)?,
        (Value::List(elements), Type::List(ty) | Type::Set(ty)) => {
            write_elements(out, elements, std::iter::repeat(&**ty))?;
        }
        (Value::List(elements), Type::Tuple(types)) if elements.len() == types.len() => {
            write_elements(out, elements, types.iter())?;
        }
        (Value::List(elements), Type::Tuple(types)) => {
            return Err(CodecReason::WrongLength { expected: types.len(), found: elements.len() }.into());
        }
        (Value::Map(entries), Type::Map(ty)) => {
            write::write_map_len(out, length(entries.len())?).map_err(CodecReason::from)?;
            for (key, part) in entries {
                write::write_str(out, key).map_err(CodecReason::from)?;
                write_value(out, part, ty).map_err(|error| error.under(Step::Key(key.clone())))?;
            }
        }
        (Value::Map(entries), Type::Object(attributes)) => {
            if let Some(name) = entries.keys().find(|name| !attributes.contains_key(*name)) {
                return Err(CodecReason::UnknownAttribute { name: name.clone() }.into());
            }
            write::write_map_len(out, length(attributes.len())?).map_err(CodecReason::from)?;
            for (name, ty) in attributes {
                write::write_str(out, name).map_err(CodecReason::from)?;
                let part = entries.get(name).unwrap_or(&Value::Null);
                write_value(out, part, ty).map_err(|error| error.under(Step::Attribute(name.clone())))?;
            }
        }
        (found, expected) => {
            return Err(CodecReason::Mismatch { expected: expected.clone(), found: found.kind() }.into());
        }
    }
    Ok(())
}

fn write_elements<'t>(
    out: &mut Vec<u8>,
    elements: &[Value],
    types: impl Iterator<Item = &'t Type>,
) -> Result<(), CodecError> {
    write::write_array_len(out, length(elements.len())?).map_err(CodecReason::from)?;
    for (index, (part, ty)) in (0..).zip(elements.iter().zip(types)) {
        write_value(out, part, ty).map_err(|error| error.under(Step::Index(index)))?;
    }
    Ok(())
}

fn write_typed(out: &mut Vec<u8>, value: &Value, ty: &Type) -> Result<(), CodecError> {
    write::write_array_len(out, 2).map_err(CodecReason::from)?;
    write::write_bin(out, &ty.to_bytes()).map_err(CodecReason::from)?;
    write_value(out, value, ty)
}

pub(super) fn write_number(out: &mut Vec<u8>, number: &Number) -> Result<(), CodecReason> {
    match number.repr() {
        Repr::Signed(value) => write::write_sint(out, *value).map(|_| ())?,
        Repr::Unsigned(value) => write::write_uint(out, *value).map(|_| ())?,
        Repr::Float(value) => write::write_f64(out, *value)?,
        Repr::Decimal(text) => write::write_str(out, text)?,
    }
    Ok(())
}

fn write_unknown(out: &mut Vec<u8>, refined: Option<Vec<u8>>) -> Result<(), CodecReason> {
    let (extension, payload) = match refined {
        Some(payload) => (EXTENSION_REFINED_UNKNOWN, payload),
        // The content does not matter; Terraform itself sends one zero.
        None => (EXTENSION_UNKNOWN, vec![0]),
    };
    write::write_ext_meta(out, length(payload.len())?, extension)?;
    out.extend(payload);
    Ok(())
}

fn length(length: usize) -> Result<u32, CodecReason> {
    u32::try_from(length).map_err(|_| CodecReason::TooLarge)
}
