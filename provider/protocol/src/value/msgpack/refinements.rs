//! What is promised about an unknown value: a small map inside an extension.

use rmp::encode as write;

use super::CodecReason;
use super::decode::{Item, Reader, text};
use super::encode::write_number;
use crate::value::{Number, Refinements};

const NULLNESS: u64 = 1;
const PREFIX: u64 = 2;
const LOWER_BOUND: u64 = 3;
const UPPER_BOUND: u64 = 4;
const MIN_LENGTH: u64 = 5;
const MAX_LENGTH: u64 = 6;

/// Promises we cannot read are dropped: an unknown value without them is still right.
pub(super) fn read(payload: &[u8]) -> Option<Box<Refinements>> {
    let known = read_map(&mut Reader::new(payload)).ok()?;
    (known != Refinements::default()).then(|| Box::new(known))
}

fn read_map(reader: &mut Reader<'_>) -> Result<Refinements, CodecReason> {
    let mut known = Refinements::default();
    let Item::Map(length) = reader.item()? else { return Ok(known) };
    for _ in 0..length {
        let Item::Number(key) = reader.item()? else { return Ok(known) };
        match key.as_u64() {
            Some(NULLNESS) => known.null = if let Item::Bool(null) = reader.item()? { Some(null) } else { None },
            Some(PREFIX) => {
                known.prefix = if let Item::Text(bytes) = reader.item()? { Some(text(bytes)?) } else { None }
            }
            Some(LOWER_BOUND) => known.lower_bound = read_bound(reader)?,
            Some(UPPER_BOUND) => known.upper_bound = read_bound(reader)?,
            Some(MIN_LENGTH) => known.min_length = read_number(reader)?.and_then(|number| number.as_u64()),
            Some(MAX_LENGTH) => known.max_length = read_number(reader)?.and_then(|number| number.as_u64()),
            _ => reader.skip()?,
        }
    }
    Ok(known)
}

fn read_bound(reader: &mut Reader<'_>) -> Result<Option<(Number, bool)>, CodecReason> {
    let Item::Array(2) = reader.item()? else { return Ok(None) };
    let number = read_number(reader)?;
    let Item::Bool(inclusive) = reader.item()? else { return Ok(None) };
    Ok(number.map(|number| (number, inclusive)))
}

fn read_number(reader: &mut Reader<'_>) -> Result<Option<Number>, CodecReason> {
    Ok(match reader.item()? {
        Item::Number(number) => Some(number),
        Item::Text(bytes) => Number::parse(&text(bytes)?),
        _ => None,
    })
}

/// `None` when nothing is promised: Terraform refuses an empty map.
pub(super) fn write(known: &Refinements) -> Option<Vec<u8>> {
    let Refinements { null, prefix, lower_bound, upper_bound, min_length, max_length } = known;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut entry = |key: u64, value: &dyn Fn(&mut Vec<u8>) -> Result<(), CodecReason>| {
        let mut bytes = Vec::new();
        if write::write_uint(&mut bytes, key).is_ok() && value(&mut bytes).is_ok() {
            entries.push(bytes);
        }
    };
    if let Some(null) = null {
        entry(NULLNESS, &|out| Ok(write::write_bool(out, *null)?));
    }
    if let Some(prefix) = prefix {
        entry(PREFIX, &|out| Ok(write::write_str(out, prefix)?));
    }
    for (key, bound) in [(LOWER_BOUND, lower_bound), (UPPER_BOUND, upper_bound)] {
        if let Some((number, inclusive)) = bound {
            entry(key, &|out| {
                write::write_array_len(out, 2)?;
                write_number(out, number)?;
                Ok(write::write_bool(out, *inclusive)?)
            });
        }
    }
    for (key, length) in [(MIN_LENGTH, min_length), (MAX_LENGTH, max_length)] {
        if let Some(length) = length {
            entry(key, &|out| Ok(write::write_uint(out, *length).map(|_| ())?));
        }
    }
    let mut payload = Vec::new();
    write::write_map_len(&mut payload, u32::try_from(entries.len()).ok()?).ok()?;
    (!entries.is_empty()).then(|| [payload, entries.concat()].concat())
}
