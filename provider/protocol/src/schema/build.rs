//! Writing schemas by hand.

use super::{
    Attribute, AttributeKind, Block, BlockNesting, IdentityAttribute, IdentitySchema, NestedBlock, Nesting, Origin,
    Schema,
};
use crate::Type;

impl Schema {
    pub fn new(attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Self { version: 0, block: Block::new(attributes) }
    }

    #[must_use]
    pub fn version(mut self, version: i64) -> Self {
        self.version = version;
        self
    }

    #[must_use]
    pub fn description(mut self, markdown: impl Into<String>) -> Self {
        self.block.description = markdown.into();
        self
    }

    #[must_use]
    pub fn deprecated(mut self, message: impl Into<String>) -> Self {
        self.block.deprecated = Some(message.into());
        self
    }

    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.block.attributes.push(attribute);
        self
    }

    #[must_use]
    pub fn block(mut self, block: NestedBlock) -> Self {
        self.block.blocks.push(block);
        self
    }
}

impl Block {
    pub fn new(attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Self { attributes: attributes.into_iter().collect(), ..Self::default() }
    }
}

impl NestedBlock {
    pub fn new(
        name: impl Into<String>,
        nesting: BlockNesting,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> Self {
        Self { name: name.into(), nesting, block: Block::new(attributes), min_items: 0, max_items: 0 }
    }
}

/// Attributes are optional until said otherwise.
impl Attribute {
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self::of_kind(name, AttributeKind::Plain(ty))
    }

    pub fn string(name: impl Into<String>) -> Self {
        Self::new(name, Type::String)
    }

    pub fn number(name: impl Into<String>) -> Self {
        Self::new(name, Type::Number)
    }

    pub fn bool(name: impl Into<String>) -> Self {
        Self::new(name, Type::Bool)
    }

    pub fn nested(name: impl Into<String>, nesting: Nesting, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Self::of_kind(name, AttributeKind::Nested { nesting, attributes: attributes.into_iter().collect() })
    }

    pub(super) fn of_kind(name: impl Into<String>, kind: AttributeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            origin: Origin::Optional,
            sensitive: false,
            write_only: false,
            description: String::new(),
            deprecated: None,
        }
    }

    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    #[must_use]
    pub fn required(self) -> Self {
        self.origin(Origin::Required)
    }

    #[must_use]
    pub fn computed(self) -> Self {
        self.origin(Origin::Computed)
    }

    #[must_use]
    pub fn optional_computed(self) -> Self {
        self.origin(Origin::OptionalComputed)
    }

    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }

    #[must_use]
    pub fn description(mut self, markdown: impl Into<String>) -> Self {
        self.description = markdown.into();
        self
    }

    #[must_use]
    pub fn deprecated(mut self, message: impl Into<String>) -> Self {
        self.deprecated = Some(message.into());
        self
    }
}

impl IdentitySchema {
    pub fn new(attributes: impl IntoIterator<Item = IdentityAttribute>) -> Self {
        Self { version: 0, attributes: attributes.into_iter().collect() }
    }
}

impl IdentityAttribute {
    pub fn required(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, required_for_import: true, description: String::new() }
    }

    pub fn optional(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, required_for_import: false, description: String::new() }
    }

    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }
}
