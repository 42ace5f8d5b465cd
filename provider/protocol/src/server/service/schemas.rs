//! What the provider tells about itself.

use std::collections::{BTreeMap, HashMap};

use super::Service;
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::Entry;
use crate::{FunctionSignature, Parameter};

/// Schemas never change while a process runs, and everything else below is always answered.
const CAPABILITIES: proto::ServerCapabilities = proto::ServerCapabilities {
    plan_destroy: true,
    get_provider_schema_optional: true,
    move_resource_state: true,
    generate_resource_config: true,
};

impl Service {
    pub(super) fn metadata(&self) -> proto::GetMetadataResponse {
        let catalog = &self.catalog;
        proto::GetMetadataResponse {
            server_capabilities: Some(CAPABILITIES),
            diagnostics: Vec::new(),
            data_sources: names(&catalog.data_sources, |type_name| proto::DataSourceMetadata { type_name }),
            resources: names(&catalog.resources, |type_name| proto::ResourceMetadata { type_name }),
            functions: names(&catalog.functions, |name| proto::FunctionMetadata { name }),
            ephemeral_resources: names(&catalog.ephemeral_resources, |type_name| proto::EphemeralMetadata {
                type_name,
            }),
            list_resources: names(&catalog.list_resources, |type_name| proto::ListResourceMetadata { type_name }),
            state_stores: Vec::new(),
            actions: names(&catalog.actions, |type_name| proto::ActionMetadata { type_name }),
        }
    }

    pub(super) fn provider_schema(&self) -> proto::GetProviderSchemaResponse {
        let catalog = &self.catalog;
        proto::GetProviderSchemaResponse {
            provider: Some((&catalog.provider.schema).into()),
            provider_meta: catalog.meta.as_ref().map(|(schema, _)| schema.into()),
            resource_schemas: schemas(&catalog.resources),
            data_source_schemas: schemas(&catalog.data_sources),
            functions: self.function_signatures(),
            ephemeral_resource_schemas: schemas(&catalog.ephemeral_resources),
            list_resource_schemas: schemas(&catalog.list_resources),
            state_store_schemas: HashMap::new(),
            action_schemas: catalog
                .actions
                .iter()
                .map(|(name, entry)| (name.clone(), proto::ActionSchema { schema: Some((&entry.schema).into()) }))
                .collect(),
            diagnostics: Vec::new(),
            server_capabilities: Some(CAPABILITIES),
        }
    }

    pub(super) fn identity_schemas(&self) -> proto::GetResourceIdentitySchemasResponse {
        let schemas = self.catalog.identities.iter();
        proto::GetResourceIdentitySchemasResponse {
            identity_schemas: schemas.map(|(name, identity)| (name.clone(), (&identity.schema).into())).collect(),
            diagnostics: Vec::new(),
        }
    }

    pub(super) fn function_signatures(&self) -> HashMap<String, proto::Function> {
        self.catalog.functions.iter().map(|(name, (_, signature))| (name.clone(), signature.into())).collect()
    }
}

fn names<T, M>(entries: &BTreeMap<String, T>, metadata: impl Fn(String) -> M) -> Vec<M> {
    entries.keys().cloned().map(metadata).collect()
}

fn schemas<T: ?Sized>(entries: &BTreeMap<String, Entry<T>>) -> HashMap<String, proto::Schema> {
    entries.iter().map(|(name, entry)| (name.clone(), (&entry.schema).into())).collect()
}

impl From<&FunctionSignature> for proto::Function {
    fn from(signature: &FunctionSignature) -> Self {
        Self {
            parameters: signature.parameters.iter().map(Into::into).collect(),
            variadic_parameter: signature.variadic.as_ref().map(Into::into),
            r#return: Some(proto::function::Return { r#type: signature.returns.to_bytes() }),
            summary: signature.summary.clone(),
            description: signature.description.clone(),
            description_kind: proto::StringKind::Markdown.into(),
            deprecation_message: signature.deprecated.clone().unwrap_or_default(),
        }
    }
}

impl From<&Parameter> for proto::function::Parameter {
    fn from(parameter: &Parameter) -> Self {
        Self {
            name: parameter.name.clone(),
            r#type: parameter.ty.to_bytes(),
            allow_null_value: parameter.allow_null,
            allow_unknown_values: parameter.allow_unknown,
            description: parameter.description.clone(),
            description_kind: proto::StringKind::Markdown.into(),
        }
    }
}
