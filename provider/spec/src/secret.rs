//! A secret value: it prints as `***`, is not serialized unless a field asks for it, and is erased from memory.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

/// Wraps a value so that `Debug` and `Display` cannot leak it; reading it takes an explicit `expose`. Its memory is
/// overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself. From now on the caller must protect it.
    pub fn into_inner(mut self) -> T
    where
        T: Default,
    {
        std::mem::take(&mut *self.0)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

/// Serializes a secret in the clear, for fields that Terraform marks as sensitive. Each field has to ask for it, so a
/// secret does not leak as part of a larger value.
pub(crate) fn expose<T: Zeroize + Serialize, S: Serializer>(
    secret: &Secret<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

/// The same for an optional secret.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
pub(crate) fn expose_option<T: Zeroize + Serialize, S: Serializer>(
    secret: &Option<Secret<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

impl<T: Zeroize + JsonSchema> JsonSchema for Secret<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let key = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{key} {key:?}"), "*** ***");
        assert_eq!(key.expose(), "hunter2");
        assert_eq!(key.into_inner(), "hunter2");
    }

    /// Counts how often it was overwritten.
    #[derive(Default)]
    struct Watched(std::rc::Rc<std::cell::Cell<u32>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_secret_is_overwritten_when_it_is_dropped() {
        let overwritten = std::rc::Rc::default();
        drop(Secret::new(Watched(std::rc::Rc::clone(&overwritten))));
        assert_eq!(overwritten.get(), 1);
        let taken = Secret::new(Watched(std::rc::Rc::clone(&overwritten))).into_inner();
        assert_eq!(taken.0.get(), 1, "the caller gets the value, not an erased one");
    }
}
