//! Schemas: which attributes a provider, resource, data source or action has.

mod build;
mod json_schema;
mod wire;

use std::collections::BTreeMap;

pub use json_schema::JsonSchemaError;

use crate::{AttributePath, Type};

/// What the user may write, and what the state holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// Stored with each state; raise it when old states need [`upgrade_state`](crate::Resource::upgrade_state).
    pub version: i64,
    pub block: Block,
}

/// A body of attributes and nested blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub attributes: Vec<Attribute>,
    pub blocks: Vec<NestedBlock>,
    /// Markdown.
    pub description: String,
    /// Why not to use it any more; shown as a warning.
    pub deprecated: Option<String>,
    /// The provider may fill this block in by itself. Needs a client with `computed_blocks_allowed`.
    pub computed: bool,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub name: String,
    pub kind: AttributeKind,
    pub origin: Origin,
    /// Hidden in output. Still stored in the state.
    pub sensitive: bool,
    /// Reaches the provider in the configuration only; never stored in plan or state.
    pub write_only: bool,
    /// Markdown.
    pub description: String,
    pub deprecated: Option<String>,
}

/// Plain type or nested attributes.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeKind {
    Plain(Type),
    Nested { nesting: Nesting, attributes: Vec<Attribute> },
}

/// How many objects of nested attributes there are, and how they are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    Single,
    List,
    Set,
    Map,
}

/// Who gives an attribute its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user, always.
    Required,
    /// The user, or it is null.
    Optional,
    /// The provider, always.
    Computed,
    /// The user, else the provider.
    OptionalComputed,
}

/// A nested block: `name { … }` instead of `name = { … }`. Prefer nested attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct NestedBlock {
    pub name: String,
    pub nesting: BlockNesting,
    pub block: Block,
    pub min_items: i64,
    /// Zero: no limit.
    pub max_items: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockNesting {
    Single,
    List,
    Set,
    Map,
    /// Like `Single`, but never null: present with null attributes when the user leaves it out.
    Group,
}

/// The attributes that tell one remote object from all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentitySchema {
    pub version: i64,
    pub attributes: Vec<IdentityAttribute>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IdentityAttribute {
    pub name: String,
    pub ty: Type,
    /// Has to be given in `import { identity = … }`; otherwise it may be.
    pub required_for_import: bool,
    pub description: String,
}

impl Origin {
    /// Whether the user may write the attribute.
    pub fn is_settable(self) -> bool {
        self != Self::Computed
    }

    /// Whether the provider may fill it in.
    pub fn is_computed(self) -> bool {
        matches!(self, Self::Computed | Self::OptionalComputed)
    }
}

impl Attribute {
    pub fn ty(&self) -> Type {
        match &self.kind {
            AttributeKind::Plain(ty) => ty.clone(),
            AttributeKind::Nested { nesting, attributes } => nesting.wrap(object_type(attributes)),
        }
    }
}

/// How the objects of a nested value are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    InOrder,
    ByKey,
}

impl BlockNesting {
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Single | Self::Group => Shape::One,
            Self::List | Self::Set => Shape::InOrder,
            Self::Map => Shape::ByKey,
        }
    }
}

impl Nesting {
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Single => Shape::One,
            Self::List | Self::Set => Shape::InOrder,
            Self::Map => Shape::ByKey,
        }
    }

    fn wrap(self, object: Type) -> Type {
        match self {
            Self::Single => object,
            Self::List => Type::list(object),
            Self::Set => Type::set(object),
            Self::Map => Type::map(object),
        }
    }
}

impl Block {
    /// The type of the object that this block becomes on the wire.
    pub fn ty(&self) -> Type {
        let Type::Object(mut members) = object_type(&self.attributes) else { return Type::Dynamic };
        members.extend(self.blocks.iter().map(|nested| (nested.name.clone(), nested.ty())));
        Type::Object(members)
    }
}

impl NestedBlock {
    fn ty(&self) -> Type {
        let object = self.block.ty();
        match self.nesting {
            BlockNesting::Single | BlockNesting::Group => object,
            BlockNesting::List => Type::list(object),
            BlockNesting::Set => Type::set(object),
            BlockNesting::Map => Type::map(object),
        }
    }
}

impl Schema {
    pub fn ty(&self) -> Type {
        self.block.ty()
    }

    /// The attribute path for a chain of plain keys; see [`Type::locate`].
    pub fn locate<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> AttributePath {
        self.ty().locate(keys)
    }
}

impl IdentitySchema {
    pub fn ty(&self) -> Type {
        Type::Object(self.attributes.iter().map(|attribute| (attribute.name.clone(), attribute.ty.clone())).collect())
    }
}

fn object_type(attributes: &[Attribute]) -> Type {
    Type::Object(
        attributes.iter().map(|attribute| (attribute.name.clone(), attribute.ty())).collect::<BTreeMap<_, _>>(),
    )
}
