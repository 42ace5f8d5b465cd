//! `action "everykind_shake"`: reports progress.

use std::sync::Arc;

use tfplugin::{Action, Attribute, Diagnostic, Diagnostics, InvokeActionRequest, Schema};

use crate::store::Store;

pub(crate) struct Shake {
    pub(crate) store: Arc<Store>,
}

#[tfplugin::async_trait]
impl Action for Shake {
    fn type_name(&self) -> &'static str {
        "everykind_shake"
    }

    fn schema(&self) -> Schema {
        Schema::new([Attribute::string("name").required()])
    }

    async fn invoke(&self, request: InvokeActionRequest) -> Diagnostics {
        let name = request.config.attribute("name").as_str().unwrap_or_default();
        request.progress.report(format!("shaking {name}"));
        match self.store.read(name) {
            Ok(Some(_)) => {
                request.progress.report("shaken");
                Diagnostics::new()
            }
            Ok(None) => Diagnostic::error("no such box", format!("There is no box `{name}`.")).at("name").into(),
            Err(diagnostics) => diagnostics,
        }
    }
}
