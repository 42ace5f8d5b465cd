//! A provider with one of everything, to show how each kind is written. The tests of the crate drive it.

mod action;
mod box_resource;
mod data_source;
mod ephemeral;
mod function;
mod list;
mod slow_resource;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use tfplugin::{
    Action, Attribute, ConfigureRequest, DataSource, Diagnostic, Diagnostics, EphemeralResource, Function,
    ListResource, Options, Provider, Resource, Schema, ValidateProviderRequest,
};

use crate::store::Store;

struct EveryKind {
    store: Arc<Store>,
}

#[tfplugin::async_trait]
impl Provider for EveryKind {
    fn schema(&self) -> Schema {
        Schema::new([Attribute::string("folder").required().description("Where boxes are kept, one file each.")])
            .description("Keeps boxes in a folder.")
    }

    async fn validate(&self, request: ValidateProviderRequest) -> Diagnostics {
        match request.config.attribute("folder").as_str() {
            Some("") => Diagnostic::error("no folder", "Name a folder.").at("folder").into(),
            _ => Diagnostics::new(),
        }
    }

    async fn configure(&self, request: ConfigureRequest) -> Diagnostics {
        let folder = request.config.attribute("folder").as_str().map(Into::into);
        self.store.open(folder);
        tracing::info!(terraform = request.terraform_version, "configured");
        Diagnostics::new()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![
            Arc::new(box_resource::BoxResource { store: self.store.clone() }),
            Arc::new(slow_resource::SlowResource { store: self.store.clone() }),
        ]
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        vec![Arc::new(data_source::Boxes { store: self.store.clone() })]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(ephemeral::Key { store: self.store.clone() })]
    }

    fn functions(&self) -> Vec<Arc<dyn Function>> {
        vec![Arc::new(function::Shout), Arc::new(function::Echo)]
    }

    fn actions(&self) -> Vec<Arc<dyn Action>> {
        vec![Arc::new(action::Shake { store: self.store.clone() })]
    }

    fn list_resources(&self) -> Vec<Arc<dyn ListResource>> {
        vec![Arc::new(list::BoxList { store: self.store.clone() })]
    }
}

fn main() -> ExitCode {
    tfplugin::serve(
        EveryKind { store: Arc::new(Store::default()) },
        Options {
            address: "registry.terraform.io/example/everykind".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    )
}
