//! Everything a provider offers, with schemas and types worked out once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    Action, DataSource, Diagnostic, Diagnostics, EphemeralResource, Function, FunctionSignature, IdentitySchema,
    ListResource, Provider, Resource, Schema, Type,
};

/// One thing of one kind.
pub(super) struct Entry<T: ?Sized> {
    pub(super) handler: Arc<T>,
    pub(super) schema: Schema,
    pub(super) ty: Type,
}

pub(super) struct Identity {
    pub(super) schema: IdentitySchema,
    pub(super) ty: Type,
}

pub(super) struct Catalog {
    pub(super) provider: Entry<dyn Provider>,
    pub(super) meta: Option<(Schema, Type)>,
    pub(super) resources: BTreeMap<String, Entry<dyn Resource>>,
    pub(super) identities: BTreeMap<String, Identity>,
    pub(super) data_sources: BTreeMap<String, Entry<dyn DataSource>>,
    pub(super) ephemeral_resources: BTreeMap<String, Entry<dyn EphemeralResource>>,
    pub(super) list_resources: BTreeMap<String, Entry<dyn ListResource>>,
    pub(super) actions: BTreeMap<String, Entry<dyn Action>>,
    pub(super) functions: BTreeMap<String, (Arc<dyn Function>, FunctionSignature)>,
}

impl Catalog {
    pub(super) fn new(provider: impl Provider) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(provider);
        let resources = provider.resources();
        let identities = resources.iter().filter_map(|resource| {
            let schema = resource.identity_schema()?;
            Some((resource.type_name().to_owned(), Identity { ty: schema.ty(), schema }))
        });
        Self {
            meta: provider.meta_schema().map(|schema| (schema.clone(), schema.ty())),
            identities: identities.collect(),
            resources: index(resources, |handler| (handler.type_name().to_owned(), handler.schema())),
            data_sources: index(provider.data_sources(), |handler| (handler.type_name().to_owned(), handler.schema())),
            ephemeral_resources: index(provider.ephemeral_resources(), |handler| {
                (handler.type_name().to_owned(), handler.schema())
            }),
            list_resources: index(provider.list_resources(), |handler| {
                (handler.type_name().to_owned(), handler.schema())
            }),
            actions: index(provider.actions(), |handler| (handler.type_name().to_owned(), handler.schema())),
            functions: provider
                .functions()
                .into_iter()
                .map(|function| (function.name().to_owned(), (function.clone(), function.signature())))
                .collect(),
            provider: Entry::new(provider.clone(), provider.schema()),
        }
    }

    pub(super) fn identity_type(&self, type_name: &str) -> Option<&Type> {
        self.identities.get(type_name).map(|identity| &identity.ty)
    }
}

impl<T: ?Sized> Entry<T> {
    fn new(handler: Arc<T>, schema: Schema) -> Self {
        let ty = schema.ty();
        Self { handler, schema, ty }
    }
}

fn index<T: ?Sized>(handlers: Vec<Arc<T>>, describe: impl Fn(&T) -> (String, Schema)) -> BTreeMap<String, Entry<T>> {
    handlers
        .into_iter()
        .map(|handler| {
            let (name, schema) = describe(&handler);
            (name, Entry::new(handler, schema))
        })
        .collect()
}

/// Finds an entry by the name Terraform asks for.
pub(super) fn find<'a, T>(entries: &'a BTreeMap<String, T>, name: &str) -> Result<&'a T, Diagnostics> {
    entries.get(name).ok_or_else(|| {
        let detail = format!("This provider has no `{name}`. Is another version of the provider in use?");
        Diagnostic::error("unknown type", detail).into()
    })
}
