//! List resources: a search whose results are streamed.

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Service, decode, encode, encode_identity};
use crate::proto::tfplugin6 as proto;
use crate::server::catalog::find;
use crate::wire::diagnostics_to_wire;
use crate::{Diagnostics, ListEvent, ListRequest, ListSink, Type, ValidateListRequest};

pub(super) type EventStream = BoxStream<'static, Result<proto::ListResourceEvent, Status>>;

/// Results that may wait for Terraform to read them; a search that is ahead pauses.
const RESULTS_AHEAD: usize = 16;

impl Service {
    pub(super) async fn validate_list(
        &self,
        request: proto::ValidateListResourceConfigRequest,
    ) -> Result<proto::ValidateListResourceConfigResponse, Diagnostics> {
        let entry = find(&self.catalog.list_resources, &request.type_name)?;
        let request = ValidateListRequest {
            config: decode("configuration", request.config.as_ref(), &entry.ty)?,
            include_resource: decode("include_resource", request.include_resource_object.as_ref(), &Type::Bool)?,
            limit: decode("limit", request.limit.as_ref(), &Type::Number)?,
            context: self.calls.context(None::<proto::ClientCapabilities>),
        };
        let diagnostics = entry.handler.validate(request).await;
        Ok(proto::ValidateListResourceConfigResponse { diagnostics: diagnostics_to_wire(diagnostics) })
    }

    pub(super) fn list(&self, request: proto::ListResourceRequest) -> EventStream {
        let (sender, events) = mpsc::channel(RESULTS_AHEAD);
        let type_name = request.type_name.clone();
        let search = self.clone();
        tokio::spawn(async move {
            if let Err(diagnostics) = search.run_list(request, ListSink::new(sender.clone())).await {
                sender.send(diagnostics.into()).await.ok();
            }
        });
        let service = self.clone();
        ReceiverStream::new(events).map(move |event| Ok(service.list_event(&type_name, event))).boxed()
    }

    async fn run_list(&self, request: proto::ListResourceRequest, results: ListSink) -> Result<(), Diagnostics> {
        let entry = find(&self.catalog.list_resources, &request.type_name)?;
        let request = ListRequest {
            config: decode("configuration", request.config.as_ref(), &entry.ty)?,
            include_resource: request.include_resource_object,
            limit: request.limit,
            results,
            context: self.calls.context(None::<proto::ClientCapabilities>),
        };
        crate::server::calls::catch(entry.handler.list(request)).await
    }

    fn list_event(&self, type_name: &str, event: ListEvent) -> proto::ListResourceEvent {
        self.try_list_event(type_name, event).unwrap_or_else(|diagnostics| proto::ListResourceEvent {
            diagnostic: diagnostics_to_wire(diagnostics),
            ..Default::default()
        })
    }

    fn try_list_event(&self, type_name: &str, event: ListEvent) -> Result<proto::ListResourceEvent, Diagnostics> {
        let resource_object = match &event.resource {
            Some(resource) => Some(encode("resource", resource, &find(&self.catalog.resources, type_name)?.ty)?),
            None => None,
        };
        Ok(proto::ListResourceEvent {
            identity: encode_identity(&event.identity, self.catalog.identity_type(type_name))?,
            display_name: event.display_name,
            resource_object,
            diagnostic: diagnostics_to_wire(event.diagnostics),
        })
    }
}
