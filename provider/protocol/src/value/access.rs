//! Looking at a value and changing parts of it.

use std::collections::BTreeMap;

use super::{Number, Value};
use crate::{AttributePath, Step, Type};

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self.untyped(), Self::Null)
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self.untyped(), Self::Unknown(_))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self.untyped() {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.untyped() {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<&Number> {
        match self.untyped() {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Value]> {
        match self.untyped() {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match self.untyped() {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.untyped() {
            Self::Null => "null",
            Self::Unknown(_) => "an unknown value",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Dynamic(_) => "a value of any type",
        }
    }

    /// The value without the type it brought along.
    pub fn untyped(&self) -> &Value {
        match self {
            Self::Dynamic(typed) => typed.value.untyped(),
            other => other,
        }
    }

    /// The attribute or map element of this name; null when there is none.
    pub fn attribute(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.as_map().and_then(|entries| entries.get(name)).unwrap_or(NULL)
    }

    /// The part at a path. `None` where the path leads out of the value, or through a null or an unknown.
    pub fn get(&self, path: &AttributePath) -> Option<&Value> {
        path.steps().iter().try_fold(self, |here, step| match (here.untyped(), step) {
            (Self::Map(entries), Step::Attribute(name) | Step::Key(name)) => entries.get(name),
            (Self::List(elements), Step::Index(index)) => elements.get(usize::try_from(*index).ok()?),
            _ => None,
        })
    }

    pub fn get_mut(&mut self, path: &AttributePath) -> Option<&mut Value> {
        path.steps().iter().try_fold(self, |here, step| match (here.untyped_mut(), step) {
            (Self::Map(entries), Step::Attribute(name) | Step::Key(name)) => entries.get_mut(name),
            (Self::List(elements), Step::Index(index)) => elements.get_mut(usize::try_from(*index).ok()?),
            _ => None,
        })
    }

    /// Puts a part in place. The parent has to exist; answers whether it does.
    pub fn set(&mut self, path: &AttributePath, value: impl Into<Value>) -> bool {
        let (Some(parent), Some(last)) = (path.parent(), path.steps().last()) else {
            *self = value.into();
            return true;
        };
        match (self.get_mut(&parent).map(Value::untyped_mut), last) {
            (Some(Self::Map(entries)), Step::Attribute(name) | Step::Key(name)) => {
                entries.insert(name.clone(), value.into());
                true
            }
            (Some(Self::List(elements)), Step::Index(index)) => {
                let slot = usize::try_from(*index).ok().and_then(|index| elements.get_mut(index));
                slot.map(|slot| *slot = value.into()).is_some()
            }
            _ => false,
        }
    }

    /// Whether this value or any part of it is not known yet.
    pub fn contains_unknown(&self) -> bool {
        match self.untyped() {
            Self::Unknown(_) => true,
            Self::List(elements) => elements.iter().any(Value::contains_unknown),
            Self::Map(entries) => entries.values().any(Value::contains_unknown),
            _ => false,
        }
    }

    /// The paths of everything that is not known yet. The type tells attributes from map keys.
    pub fn unknown_paths(&self, ty: &Type) -> Vec<AttributePath> {
        let mut paths = Vec::new();
        self.walk(ty, &mut |path, value| {
            if matches!(value, Self::Unknown(_)) {
                paths.push(path.clone());
            }
        });
        paths
    }

    /// Calls `visit` for this value and every part of it, parents first.
    pub fn walk(&self, ty: &Type, visit: &mut impl FnMut(&AttributePath, &Value)) {
        self.walk_from(&AttributePath::root(), ty, visit);
    }

    fn walk_from(&self, path: &AttributePath, ty: &Type, visit: &mut impl FnMut(&AttributePath, &Value)) {
        if let Self::Dynamic(typed) = self {
            return typed.value.walk_from(path, &typed.ty, visit);
        }
        visit(path, self);
        match self {
            Self::Map(entries) => {
                for (name, part) in entries {
                    part.walk_step(path, ty.step_to(name), ty, visit);
                }
            }
            Self::List(elements) => {
                for (index, part) in (0..).zip(elements) {
                    part.walk_step(path, Step::Index(index), ty, visit);
                }
            }
            _ => {}
        }
    }

    fn walk_step(
        &self,
        parent: &AttributePath,
        step: Step,
        parent_type: &Type,
        visit: &mut impl FnMut(&AttributePath, &Value),
    ) {
        let ty = parent_type.descend(&step).unwrap_or(&Type::Dynamic);
        self.walk_from(&parent.clone().step(step), ty, visit);
    }

    /// Drops null entries of objects and maps, so that a serde struct with `#[serde(default)]` sees them as absent.
    #[must_use]
    pub fn without_nulls(self) -> Self {
        match self {
            Self::Map(entries) => Self::Map(
                entries
                    .into_iter()
                    .filter(|(_, part)| !part.is_null())
                    .map(|(name, part)| (name, part.without_nulls()))
                    .collect(),
            ),
            Self::List(elements) => Self::List(elements.into_iter().map(Self::without_nulls).collect()),
            Self::Dynamic(typed) => typed.value.without_nulls(),
            other => other,
        }
    }

    fn untyped_mut(&mut self) -> &mut Value {
        match self {
            Self::Dynamic(typed) => typed.value.untyped_mut(),
            other => other,
        }
    }
}
