//! `data.everykind_boxes`: the names of all boxes.

use std::sync::Arc;

use tfplugin::{Attribute, DataSource, Deferred, ReadDataRequest, ReadDataResponse, Schema, Type, Value};

use crate::store::Store;

pub(crate) struct Boxes {
    pub(crate) store: Arc<Store>,
}

#[tfplugin::async_trait]
impl DataSource for Boxes {
    fn type_name(&self) -> &'static str {
        "everykind_boxes"
    }

    fn schema(&self) -> Schema {
        Schema::new([Attribute::string("prefix"), Attribute::new("names", Type::list(Type::String)).computed()])
    }

    async fn read(&self, request: ReadDataRequest) -> ReadDataResponse {
        // Clients that cannot wait get an error instead; the library sees to it.
        if request.config.attribute("prefix").is_unknown() {
            let deferred = Some(Deferred::ResourceConfigUnknown);
            return ReadDataResponse { deferred, ..ReadDataResponse::default() };
        }
        let prefix = request.config.attribute("prefix").as_str().unwrap_or_default();
        match self.store.names() {
            Ok(names) => {
                let names = names.into_iter().filter(|name| name.starts_with(prefix));
                Value::object([("prefix", request.config.attribute("prefix").clone()), ("names", Value::list(names))])
                    .into()
            }
            Err(diagnostics) => diagnostics.into(),
        }
    }
}
