//! Actions: planned like a resource, invoked with a stream of progress.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

use super::{Service, decode, deferral};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::find;
use crate::wire::{diagnostics_to_wire, progress_to_wire};
use crate::{Diagnostics, InvokeActionRequest, PlanActionRequest, Progress, ValidateRequest};

pub(super) type EventStream = BoxStream<'static, Result<proto::InvokeActionEvent, Status>>;

impl Service {
    pub(super) async fn validate_action(
        &self,
        request: proto::ValidateActionConfigRequest,
    ) -> Result<proto::ValidateActionConfigResponse, Diagnostics> {
        let entry = find(&self.catalog.actions, &request.type_name)?;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let context = self.calls.context(None::<proto::ClientCapabilities>);
        let diagnostics = entry.handler.validate(ValidateRequest { config, context }).await;
        Ok(proto::ValidateActionConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) async fn plan_action(
        &self,
        request: proto::PlanActionRequest,
    ) -> Result<proto::PlanActionResponse, Diagnostics> {
        let entry = find(&self.catalog.actions, &request.action_type)?;
        let context = self.calls.context(request.client_capabilities);
        let deferral_allowed = context.client_capabilities.deferral_allowed;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let mut response = entry.handler.plan(PlanActionRequest { config, context }).await;
        Ok(proto::PlanActionResponse {
            deferred: deferral(response.deferred, deferral_allowed, &mut response.diagnostics),
            diagnostics: diagnostics_to_wire(response.diagnostics),
        })
    }

    /// The stream ends with the completion, whoever may still hold a way to report progress.
    pub(super) fn invoke_action(&self, request: proto::InvokeActionRequest) -> EventStream {
        let (progress, messages) = mpsc::unbounded_channel();
        let (done, completion) = tokio::sync::oneshot::channel();
        let service = self.clone();
        // Spawned at once, not when the stream is first read: the action must not depend on anyone reading.
        self.calls.detached.spawn(async move {
            let diagnostics = service.run_action(request, Progress::new(progress)).await;
            done.send(diagnostics.unwrap_or_else(|diagnostics| diagnostics)).ok();
        });
        let completed = stream::once(async move {
            let diagnostics = completion.await.unwrap_or_default();
            let completed = proto::invoke_action_event::Completed { diagnostics: diagnostics_to_wire(diagnostics) };
            event(proto::invoke_action_event::Type::Completed(completed))
        });
        let progress = UnboundedReceiverStream::new(messages)
            .map(|message| event(proto::invoke_action_event::Type::Progress(progress_to_wire(message))));
        progress.chain(completed).boxed()
    }

    async fn run_action(
        &self,
        request: proto::InvokeActionRequest,
        progress: Progress,
    ) -> Result<Diagnostics, Diagnostics> {
        let entry = find(&self.catalog.actions, &request.action_type)?;
        let config = decode("configuration", request.config.as_ref(), &entry.ty)?;
        let context = self.calls.context(request.client_capabilities);
        let handler = entry.handler.clone();
        let request = InvokeActionRequest { config, progress, context };
        self.calls.detach(async move { handler.invoke(request).await }).await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the stream's items are results")]
fn event(r#type: proto::invoke_action_event::Type) -> Result<proto::InvokeActionEvent, Status> {
    Ok(proto::InvokeActionEvent { r#type: Some(r#type) })
}
