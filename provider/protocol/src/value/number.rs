//! Numbers that survive the round trip through Terraform unchanged.

use std::fmt;

/// A number in one canonical form, so that equal numbers compare equal.
///
/// Terraform computes with decimals of arbitrary size. Turning `0.1` into a binary float and back changes it, and Terraform
/// would report an inconsistent plan. So whatever does not fit an integer or a float exactly stays decimal text.
#[derive(Clone, PartialEq)]
pub struct Number(Repr);

#[derive(Clone, PartialEq)]
pub(crate) enum Repr {
    Signed(i64),
    /// Only above `i64::MAX`.
    Unsigned(u64),
    /// Only what is not an integer of the kinds above; never NaN.
    Float(f64),
    /// Only what no float represents exactly. Plain decimal notation, no exponent, no superfluous zeros.
    Decimal(String),
}

/// Longest decimal text that is taken from the wire; Terraform itself keeps about 155 digits.
const MAX_TEXT: usize = 2048;
/// Largest decimal exponent that is expanded into digits.
const MAX_EXPONENT: i64 = 1024;
/// Digits after the point that print any `f64` exactly.
const EXACT_FLOAT_DIGITS: usize = 1074;

impl Number {
    /// Reads decimal notation, with or without an exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = expand(text)?;
        if let Ok(signed) = plain.parse() {
            return Some(Self(Repr::Signed(signed)));
        }
        if let Ok(unsigned) = plain.parse() {
            return Some(Self(Repr::Unsigned(unsigned)));
        }
        let float: f64 = plain.parse().ok()?;
        if float.is_finite() && expand(&format!("{float:.EXACT_FLOAT_DIGITS$}")).as_deref() == Some(&plain) {
            return Some(Self(Repr::Float(float)));
        }
        Some(Self(Repr::Decimal(plain)))
    }

    /// The number a programmer means by this float: its shortest decimal spelling. `None` for NaN.
    pub fn from_f64(float: f64) -> Option<Self> {
        if float.is_finite() { Self::parse(&float.to_string()) } else { Self::from_exact_f64(float) }
    }

    /// The exact binary value, as floats on the wire are meant. `None` for NaN.
    pub(crate) fn from_exact_f64(float: f64) -> Option<Self> {
        if float.is_nan() {
            return None;
        }
        let integer = if float.fract() == 0.0 { expand(&format!("{float:.0}")) } else { None };
        let integer = integer.as_deref();
        if let Some(signed) = integer.and_then(|text| text.parse().ok()) {
            return Some(Self(Repr::Signed(signed)));
        }
        if let Some(unsigned) = integer.and_then(|text| text.parse().ok()) {
            return Some(Self(Repr::Unsigned(unsigned)));
        }
        Some(Self(Repr::Float(float)))
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Signed(signed) => Some(signed),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Signed(signed) => u64::try_from(signed).ok(),
            Repr::Unsigned(unsigned) => Some(unsigned),
            _ => None,
        }
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            Repr::Float(float) => *float,
            // Every canonical text is a valid float literal; rounding is what the caller asks for.
            _ => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    pub(crate) fn repr(&self) -> &Repr {
        &self.0
    }
}

/// Canonical plain notation: sign only when negative, no exponent, no leading or trailing zeros.
fn expand(text: &str) -> Option<String> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    if exponent.abs() > MAX_EXPONENT {
        return None;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let length = i64::try_from(digits.len()).ok()?;
    let before = usize::try_from(point.clamp(0, length)).ok()?;
    let zeros_after_whole = usize::try_from((point - length).max(0)).ok()?;
    let zeros_before_fraction = usize::try_from((-point).max(0)).ok()?;
    let whole = format!("{}{}", &digits[..before], "0".repeat(zeros_after_whole));
    let fraction = format!("{}{}", "0".repeat(zeros_before_fraction), &digits[before..]);
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut plain = String::new();
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        plain.push('-');
    }
    plain.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        plain.push('.');
        plain.push_str(fraction);
    }
    Some(plain)
}

impl From<i64> for Number {
    fn from(signed: i64) -> Self {
        Self(Repr::Signed(signed))
    }
}

impl From<u64> for Number {
    fn from(unsigned: u64) -> Self {
        Self(i64::try_from(unsigned).map_or(Repr::Unsigned(unsigned), Repr::Signed))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Signed(signed) => write!(formatter, "{signed}"),
            Repr::Unsigned(unsigned) => write!(formatter, "{unsigned}"),
            Repr::Float(float) => write!(formatter, "{float}"),
            Repr::Decimal(text) => write!(formatter, "{text}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
