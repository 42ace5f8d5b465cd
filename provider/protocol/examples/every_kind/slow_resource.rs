//! `everykind_slow`: takes its time, and listens to Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use tfplugin::{ApplyRequest, ApplyResponse, Attribute, Diagnostic, ReadRequest, ReadResponse, Resource, Schema};

use crate::store::Store;

pub(crate) struct SlowResource {
    pub(crate) store: Arc<Store>,
}

#[tfplugin::async_trait]
impl Resource for SlowResource {
    fn type_name(&self) -> &'static str {
        "everykind_slow"
    }

    fn schema(&self) -> Schema {
        Schema::new([
            Attribute::number("seconds").required(),
            Attribute::bool("stubborn").description("Does not listen."),
        ])
    }

    async fn read(&self, request: ReadRequest) -> ReadResponse {
        request.unchanged(tfplugin::Diagnostics::new())
    }

    async fn create(&self, request: ApplyRequest) -> ApplyResponse {
        let seconds = request.config.attribute("seconds").as_number().map_or(0.0, tfplugin::Number::as_f64);
        self.store.note("started");
        let work = tokio::time::timeout(Duration::from_secs_f64(seconds), std::future::pending::<()>());
        if request.config.attribute("stubborn").as_bool() == Some(true) {
            work.await.ok();
        } else if request.context.cancel.run_until_cancelled(work).await.is_none() {
            self.store.note("interrupted");
            return request.failed(Diagnostic::error("interrupted", "Run apply again.").into());
        }
        self.store.note("finished");
        ApplyResponse { state: request.planned_state, ..ApplyResponse::default() }
    }

    async fn delete(&self, _request: ApplyRequest) -> ApplyResponse {
        ApplyResponse::default()
    }
}
