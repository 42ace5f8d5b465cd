//! Schemas as the protocol carries them.

use super::{Attribute, AttributeKind, Block, BlockNesting, IdentitySchema, NestedBlock, Nesting, Origin, Schema};
use crate::proto::tfplugin6 as proto;

impl From<&Schema> for proto::Schema {
    fn from(schema: &Schema) -> Self {
        let block = proto::schema::Block { version: schema.version, ..(&schema.block).into() };
        Self { version: schema.version, block: Some(block) }
    }
}

impl From<&Block> for proto::schema::Block {
    fn from(block: &Block) -> Self {
        Self {
            version: 0,
            attributes: block.attributes.iter().map(Into::into).collect(),
            block_types: block.blocks.iter().map(Into::into).collect(),
            description: block.description.clone(),
            description_kind: proto::StringKind::Markdown.into(),
            deprecated: block.deprecated.is_some(),
            deprecation_message: block.deprecated.clone().unwrap_or_default(),
            computed: block.computed,
        }
    }
}

impl From<&Attribute> for proto::schema::Attribute {
    fn from(attribute: &Attribute) -> Self {
        // Terraform refuses an attribute that has both a type and nested attributes.
        let (ty, nested_type) = match &attribute.kind {
            AttributeKind::Plain(ty) => (ty.to_bytes(), None),
            AttributeKind::Nested { nesting, attributes } => (Vec::new(), Some(object(*nesting, attributes))),
        };
        Self {
            name: attribute.name.clone(),
            r#type: ty,
            nested_type,
            description: attribute.description.clone(),
            description_kind: proto::StringKind::Markdown.into(),
            required: attribute.origin == Origin::Required,
            optional: matches!(attribute.origin, Origin::Optional | Origin::OptionalComputed),
            computed: attribute.origin.is_computed(),
            sensitive: attribute.sensitive,
            write_only: attribute.write_only,
            deprecated: attribute.deprecated.is_some(),
            deprecation_message: attribute.deprecated.clone().unwrap_or_default(),
        }
    }
}

fn object(nesting: Nesting, attributes: &[Attribute]) -> proto::schema::Object {
    use proto::schema::object::NestingMode;
    let nesting = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    proto::schema::Object {
        attributes: attributes.iter().map(Into::into).collect(),
        nesting: nesting.into(),
        min_items: 0,
        max_items: 0,
    }
}

impl From<&NestedBlock> for proto::schema::NestedBlock {
    fn from(nested: &NestedBlock) -> Self {
        use proto::schema::nested_block::NestingMode;
        let nesting = match nested.nesting {
            BlockNesting::Single => NestingMode::Single,
            BlockNesting::List => NestingMode::List,
            BlockNesting::Set => NestingMode::Set,
            BlockNesting::Map => NestingMode::Map,
            BlockNesting::Group => NestingMode::Group,
        };
        Self {
            type_name: nested.name.clone(),
            block: Some((&nested.block).into()),
            nesting: nesting.into(),
            min_items: nested.min_items,
            max_items: nested.max_items,
        }
    }
}

impl From<&IdentitySchema> for proto::ResourceIdentitySchema {
    fn from(schema: &IdentitySchema) -> Self {
        let attributes = schema.attributes.iter().map(|attribute| proto::resource_identity_schema::IdentityAttribute {
            name: attribute.name.clone(),
            r#type: attribute.ty.to_bytes(),
            required_for_import: attribute.required_for_import,
            optional_for_import: !attribute.required_for_import,
            description: attribute.description.clone(),
        });
        Self { version: schema.version, identity_attributes: attributes.collect() }
    }
}
