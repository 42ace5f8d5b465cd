//! `list "everykind_box"`: all boxes with a prefix.

use std::sync::Arc;

use tfplugin::{Attribute, Diagnostics, ListEvent, ListRequest, ListResource, Schema, Value};

use crate::store::Store;

pub(crate) struct BoxList {
    pub(crate) store: Arc<Store>,
}

impl BoxList {
    fn find(&self, request: &ListRequest) -> Result<Vec<ListEvent>, Diagnostics> {
        let prefix = request.config.attribute("prefix").as_str().unwrap_or_default();
        let mut events = Vec::new();
        for name in self.store.names()?.into_iter().filter(|name| name.starts_with(prefix)) {
            events.push(ListEvent {
                identity: Value::object([("name", Value::from(name.as_str()))]),
                display_name: format!("box {name}"),
                resource: if request.include_resource { self.store.read(&name)? } else { None },
                diagnostics: Diagnostics::new(),
            });
        }
        Ok(events)
    }
}

#[tfplugin::async_trait]
impl ListResource for BoxList {
    fn type_name(&self) -> &'static str {
        "everykind_box"
    }

    fn schema(&self) -> Schema {
        Schema::new([Attribute::string("prefix")])
    }

    async fn list(&self, request: ListRequest) {
        let events = self.find(&request).unwrap_or_else(|diagnostics| vec![diagnostics.into()]);
        for event in events {
            if !request.results.send(event).await {
                return;
            }
        }
    }
}
