//! Schemas, read back from the wire as strictly as core reads them.

use std::collections::{BTreeMap, HashMap};

use super::{Failure, Rule, Schemas};
use crate::proto::tfplugin6 as proto;
use crate::schema::{AttributeKind, Block, BlockNesting, NestedBlock, Nesting, Origin};
use crate::{Attribute, AttributePath, FunctionSignature, IdentityAttribute, IdentitySchema, Parameter, Schema, Type};

pub(super) fn read(
    wire: proto::GetProviderSchemaResponse,
    identities: proto::GetResourceIdentitySchemasResponse,
) -> Result<Schemas, Failure> {
    let actions = wire.action_schemas.into_iter().map(|(name, action)| (name, action.schema.unwrap_or_default()));
    Ok(Schemas {
        provider: schema(wire.provider.unwrap_or_default())?,
        resources: schemas(wire.resource_schemas)?,
        identities: named(identities.identity_schemas, identity)?,
        data_sources: schemas(wire.data_source_schemas)?,
        ephemeral_resources: schemas(wire.ephemeral_resource_schemas)?,
        list_resources: schemas(wire.list_resource_schemas)?,
        actions: schemas(actions.collect())?,
        functions: named(wire.functions, function)?,
    })
}

fn named<W, T>(
    wire: HashMap<String, W>,
    read: impl Fn(W) -> Result<T, Failure>,
) -> Result<BTreeMap<String, T>, Failure> {
    wire.into_iter().map(|(name, item)| Ok((name, read(item)?))).collect()
}

fn schemas(wire: HashMap<String, proto::Schema>) -> Result<BTreeMap<String, Schema>, Failure> {
    named(wire, schema)
}

fn schema(wire: proto::Schema) -> Result<Schema, Failure> {
    Ok(Schema { version: wire.version, block: block(wire.block.unwrap_or_default())? })
}

fn block(wire: proto::schema::Block) -> Result<Block, Failure> {
    Ok(Block {
        attributes: wire.attributes.into_iter().map(attribute).collect::<Result<_, _>>()?,
        blocks: wire.block_types.into_iter().map(nested_block).collect::<Result<_, _>>()?,
        description: wire.description,
        deprecated: deprecation(wire.deprecated, wire.deprecation_message),
        computed: wire.computed,
    })
}

fn nested_block(wire: proto::schema::NestedBlock) -> Result<NestedBlock, Failure> {
    use proto::schema::nested_block::NestingMode;
    let nesting = match wire.nesting() {
        NestingMode::Invalid => return Err(malformed(&wire.type_name)),
        NestingMode::Single => BlockNesting::Single,
        NestingMode::List => BlockNesting::List,
        NestingMode::Set => BlockNesting::Set,
        NestingMode::Map => BlockNesting::Map,
        NestingMode::Group => BlockNesting::Group,
    };
    Ok(NestedBlock {
        name: wire.type_name,
        nesting,
        block: block(wire.block.unwrap_or_default())?,
        min_items: wire.min_items,
        max_items: wire.max_items,
    })
}

fn attribute(wire: proto::schema::Attribute) -> Result<Attribute, Failure> {
    let kind = match (wire.r#type.is_empty(), wire.nested_type) {
        (false, None) => AttributeKind::Plain(ty(&wire.name, &wire.r#type)?),
        (true, Some(nested)) => nested_attributes(&wire.name, nested)?,
        _ => return Err(malformed(&wire.name)),
    };
    let origin = match (wire.required, wire.optional, wire.computed) {
        (true, false, false) => Origin::Required,
        (false, true, false) => Origin::Optional,
        (false, false, true) => Origin::Computed,
        (false, true, true) => Origin::OptionalComputed,
        _ => return Err(malformed(&wire.name)),
    };
    if wire.write_only && wire.computed {
        return Err(malformed(&wire.name));
    }
    Ok(Attribute {
        name: wire.name,
        kind,
        origin,
        sensitive: wire.sensitive,
        write_only: wire.write_only,
        description: wire.description,
        deprecated: deprecation(wire.deprecated, wire.deprecation_message),
    })
}

fn nested_attributes(name: &str, wire: proto::schema::Object) -> Result<AttributeKind, Failure> {
    use proto::schema::object::NestingMode;
    let nesting = match wire.nesting() {
        NestingMode::Invalid => return Err(malformed(name)),
        NestingMode::Single => Nesting::Single,
        NestingMode::List => Nesting::List,
        NestingMode::Set => Nesting::Set,
        NestingMode::Map => Nesting::Map,
    };
    let attributes = wire.attributes.into_iter().map(attribute).collect::<Result<_, _>>()?;
    Ok(AttributeKind::Nested { nesting, attributes })
}

fn identity(wire: proto::ResourceIdentitySchema) -> Result<IdentitySchema, Failure> {
    let attributes = wire.identity_attributes.into_iter().map(|attribute| {
        if attribute.required_for_import == attribute.optional_for_import {
            return Err(malformed(&attribute.name));
        }
        Ok(IdentityAttribute {
            ty: ty(&attribute.name, &attribute.r#type)?,
            name: attribute.name,
            required_for_import: attribute.required_for_import,
            description: attribute.description,
        })
    });
    Ok(IdentitySchema { version: wire.version, attributes: attributes.collect::<Result<_, _>>()? })
}

fn function(wire: proto::Function) -> Result<FunctionSignature, Failure> {
    Ok(FunctionSignature {
        parameters: wire.parameters.into_iter().map(parameter).collect::<Result<_, _>>()?,
        variadic: wire.variadic_parameter.map(parameter).transpose()?,
        returns: ty("return", &wire.r#return.unwrap_or_default().r#type)?,
        summary: wire.summary,
        description: wire.description,
        deprecated: Some(wire.deprecation_message).filter(|message| !message.is_empty()),
    })
}

fn parameter(wire: proto::function::Parameter) -> Result<Parameter, Failure> {
    Ok(Parameter {
        ty: ty(&wire.name, &wire.r#type)?,
        name: wire.name,
        allow_null: wire.allow_null_value,
        allow_unknown: wire.allow_unknown_values,
        description: wire.description,
    })
}

fn ty(name: &str, bytes: &[u8]) -> Result<Type, Failure> {
    Type::from_slice(bytes).map_err(|_| malformed(name))
}

fn malformed(name: &str) -> Failure {
    Rule::Schema.violated_at(&AttributePath::new(name))
}

fn deprecation(deprecated: bool, message: String) -> Option<String> {
    deprecated.then_some(message)
}
